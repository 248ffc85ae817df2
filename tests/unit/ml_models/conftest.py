"""Fixtures of the face tests: real photographs (fetched once), and a package that pip finds without any network."""

import zipfile
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


def put_wheel(shelf: Path, name: str, members: dict[str, bytes]) -> Path:
    """A wheel of version 1.0 on the shelf, the same bytes each time."""
    path = shelf / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    members = members | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for member, content in members.items():
            wheel.writestr(zipfile.ZipInfo(member), content)
    return path
