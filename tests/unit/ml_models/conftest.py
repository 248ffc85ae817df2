"""Fixtures of the face tests: real photographs (fetched once), and a package that pip finds without any network."""

from pathlib import Path

import pytest

from benchmarks.face_photographs import photographs as fetch_photographs
from ml_models.pictures import Picture


@pytest.fixture(scope="session")
def photographs() -> dict[str, Picture]:
    """The eight photographs by name."""
    return fetch_photographs()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip knows of the world, by pip's own configuration."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder
