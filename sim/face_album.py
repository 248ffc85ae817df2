"""Portraits of the rehearsal's guests: photographs that lie in a folder, by the names of `benchmarks/face_photographs.py`.

Who shows a face beside a code has a photograph of his own; who shows a face alone is cut out of the group.

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
# In that photograph's pixels: left, top, right, bottom. Holders have to look ahead to be enrolled.
GROUP = "six"
ALONE: Mapping[str, tuple[int, int, int, int]] = {
    "six_1": (7, 228, 215, 436),
    "six_3": (395, 219, 641, 465),
    "six_4": (691, 306, 899, 514),
}
STRANGERS: Mapping[str, tuple[int, int, int, int]] = {"six_2": (220, 104, 422, 306), "six_6": (1081, 240, 1275, 434)}
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


def open_group(people: Mapping[str, tuple[int, int, int, int]], folder: Path = ALBUM) -> list[Portrait]:
    """These people of the group, each as large as before a lane's camera; nobody without its photograph."""
    try:
        with Image.open(folder / GROUP) as opened:
            group = opened.convert("RGB")
    except (OSError, ValueError):
        return []
    portraits = []
    for person, box in people.items():
        face = _encoded(group.crop(box).resize((FACE_PX, FACE_PX), Image.Resampling.LANCZOS))
        portraits.append(Portrait(person, face, (face,)))
    return portraits


def _jpeg(path: Path, edge: int) -> bytes:
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((edge, edge))
    return _encoded(picture)


def _encoded(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=_JPEG_QUALITY)
    return content.getvalue()
