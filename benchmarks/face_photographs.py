"""Photographs of people for measuring and testing faces, out of packages that carry them: fetched, checked, never committed.

One person five times and another once (`face_recognition`), a portrait that came with a space suit (scikit-image) and a group
of six (`insightface`, whose pictures only are used: its weights are not free for trade). Kept in `build/photographs`.
"""

import hashlib
import tempfile
from pathlib import Path

import msgspec

from ml_models.manifest import PinnedPackage
from ml_models.packages import download, member
from ml_models.pictures import Picture, open_picture

KEPT = Path(__file__).parents[1] / "build" / "photographs"

_PORTRAITS = PinnedPackage(
    "face_recognition", "1.3.0", "5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec", True
)
_GROUP = PinnedPackage("insightface", "2.1", "dcd58ee79d99d689572477315f3149353afd65a36dc575f597cbb217a7bde399")
_ASTRONAUT = PinnedPackage("scikit-image", "0.26.0")  # its wheel differs by machine; the picture does not
_TESTS = "face_recognition-1.3.0/tests/test_images/"


class Photograph(msgspec.Struct, frozen=True):
    """A file in a package, by digest, and who is on it (None: six whom nobody names)."""

    name: str
    person: str | None
    package: PinnedPackage
    member: str
    sha256: str


PHOTOGRAPHS = (
    Photograph(
        "one_1", "one", _PORTRAITS, _TESTS + "obama.jpg", "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6"
    ),
    Photograph(
        "one_2", "one", _PORTRAITS, _TESTS + "obama2.jpg", "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6"
    ),
    Photograph(
        "one_3", "one", _PORTRAITS, _TESTS + "obama3.jpg", "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3"
    ),
    Photograph(
        "one_4",
        "one",
        _PORTRAITS,
        _TESTS + "obama_partial_face.jpg",
        "c2d1f09e7ef3042352b41e41286e6eb0522f64f88308be13886991b95db52117",
    ),
    Photograph(
        "one_5",
        "one",
        _PORTRAITS,
        _TESTS + "obama_partial_face2.jpg",
        "9a812347f97633542b8cd9992de22def11b74f79d82056bc3ee830f13878e028",
    ),
    Photograph(
        "two", "two", _PORTRAITS, _TESTS + "biden.jpg", "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c"
    ),
    Photograph(
        "three",
        "three",
        _ASTRONAUT,
        "skimage/data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    ),
    Photograph(
        "six",
        None,
        _GROUP,
        "insightface/data/images/t1.jpg",
        "47f682e945b659f93a9e490b9c9c4a2a864abe64dace9e1a2893845ddfd69489",
    ),
)


def photographs(folder: Path = KEPT) -> dict[str, Picture]:
    """Every photograph by name, fetched where it is not yet. Raises PartMissing."""
    return {photograph.name: open_picture(_content(photograph, folder)) for photograph in PHOTOGRAPHS}


def _content(photograph: Photograph, folder: Path) -> bytes:
    kept = folder / photograph.name
    if not kept.is_file() or hashlib.sha256(kept.read_bytes()).hexdigest() != photograph.sha256:
        _fetch(photograph.package, folder)
    return kept.read_bytes()


def _fetch(package: PinnedPackage, folder: Path) -> None:
    """All photographs of one package."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="snowgate-photographs-", dir=folder) as scratch:
        archive = download(package, Path(scratch))
        for photograph in PHOTOGRAPHS:
            if photograph.package == package:
                fresh = Path(scratch) / photograph.name
                fresh.write_bytes(member(archive, photograph.member, photograph.sha256))
                fresh.replace(folder / photograph.name)
