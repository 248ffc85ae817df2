"""A site with faces opens only where its models are, and says at once what is missing."""

from pathlib import Path

import msgspec
import pytest

from orchestrator.faces import check_face_models, face_parts
from resort.errors import PartMissing
from resort.site import FacesSite, Site
from storage.database import Database
from storage.face_keys import FaceKeys
from storage.faces_sql import FaceStore


@pytest.fixture
def with_faces(demo_site: Site) -> Site:
    """The demo resort with faces."""
    return msgspec.structs.replace(demo_site, faces=FacesSite())


@pytest.fixture
def without(demo_site: Site) -> Site:
    """And without."""
    return msgspec.structs.replace(demo_site, faces=None)


def test_the_models_of_this_checkout_are_there(with_faces: Site) -> None:
    check_face_models(with_faces)


def test_missing_models_are_named_at_once(with_faces: Site, without: Site, tmp_path: Path) -> None:
    with pytest.raises(PartMissing, match="run `make install`, or take `faces` out"):
        check_face_models(with_faces, tmp_path)
    check_face_models(without, tmp_path)


async def test_windows_get_the_pool_of_a_site_that_has_one(with_faces: Site, without: Site, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'faces.db'}")
    store = FaceStore(database, FaceKeys(tmp_path / "face_keys.json"))
    parts = face_parts(with_faces, store)
    assert parts is not None
    assert parts.pool is parts.news
    assert face_parts(without, store) is None
    await database.dispose()
