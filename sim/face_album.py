"""Portraits of the rehearsal's guests: photographs that lie in a folder, by the names of `benchmarks/face_photographs.py`.

None is part of the repository or the package. Where the folder is missing, or a photograph in it cannot be opened, there is no
such guest. What a guest shows to a camera is a photograph, so nothing here says anything of presentation attacks.
"""

import io
from collections.abc import Mapping
from pathlib import Path

import msgspec
from PIL import Image

from sim.face_scene import FACE_PX

ALBUM = Path(__file__).parents[1] / "build" / "photographs"
# The picture that is enrolled, then those that a camera sees: other ones, where there are others.
PEOPLE: Mapping[str, tuple[str, ...]] = {"one": ("one_1", "one_2", "one_3"), "two": ("two", "two"), "three": ("three", "three")}
_JPEG_QUALITY = 90


class Portrait(msgspec.Struct, frozen=True):
    """One person: the photograph for the shop, and how a camera sees them (JPEG, at most `FACE_PX` wide and high)."""

    person: str
    enrolled: bytes
    seen: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Portrait({self.person})"


def open_album(folder: Path = ALBUM) -> list[Portrait]:
    """Everybody whose photographs are there and can be opened."""
    album = []
    for person, (enrolled, *seen) in PEOPLE.items():
        try:
            portrait = Portrait(
                person, _jpeg(folder / enrolled, 2 * FACE_PX), tuple(_jpeg(folder / name, FACE_PX) for name in seen)
            )
        except (OSError, ValueError):
            continue
        album.append(portrait)
    return album


def _jpeg(path: Path, edge: int) -> bytes:
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((edge, edge))
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=_JPEG_QUALITY)
    return content.getvalue()
