"""`snowgate read FILE …`: the code in a picture, read as a lane reads a camera's frame, for whoever wants to judge that.

Every picture has a reader of its own and so all looks (`devices/second_looks.py`), as the first frame of a lane has. A text is
shown as it is; whether it is a ticket's, `snowgate ticket explain` tells.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from devices.code_engines import any_symbology
from devices.code_reader import CodeReader
from devices.picture import grey_of_file
from orchestrator.options import JsonOption
from orchestrator.run import say
from resort.clock import SystemClock

UNREADABLE = 2  # exit code: a file is no picture
MOST_BYTES = 128 * 1024 * 1024
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
ANY_LOOK = "any symbology"


class PictureRead(msgspec.Struct, frozen=True, omit_defaults=True):
    """One picture's outcome. `problem` is empty where a code was read."""

    file: str
    text: str | None = None
    symbology: str = ""
    look: str = ""  # which look found it
    box: tuple[int, int, int, int] | None = None  # left, top, right, bottom in pixels
    milliseconds: float = 0.0
    problem: str = ""
    is_picture: bool = True


def read_pictures(
    files: Annotated[list[Path], typer.Argument(help="Pictures, or folders of pictures.")],
    any_kind: Annotated[
        bool, typer.Option("--any-symbology", help="Also codes that no lane reads: bar codes, Aztec …")
    ] = False,
    json_file: JsonOption = None,
) -> None:
    """Read the codes in pictures, as a lane would. Exit 0: one in each; 1: in some there is none; 2: a file is no picture."""
    wanted = [picture for file in files for picture in pictures_in(file)]
    with typer.progressbar(wanted, label="pictures", file=sys.stderr, hidden=len(wanted) < 2) as told:
        outcomes = [read_picture(picture, any_kind=any_kind) for picture in told]
    for outcome in outcomes:
        say(line_of(outcome))
    if len(outcomes) > 1:
        say(f"{sum(outcome.text is not None for outcome in outcomes)} of {len(outcomes)} pictures read")
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(outcomes), indent=2) + b"\n")
    raise typer.Exit(exit_code(outcomes))


def pictures_in(file: Path) -> list[Path]:
    """The pictures of a folder and of the folders in it, by name; a file is itself, whatever it is called."""
    if not file.is_dir():
        return [file]
    found = sorted(one for one in file.rglob("*") if one.suffix.lower() in PICTURES and one.is_file())
    return found or [file]


def read_picture(file: Path, *, any_kind: bool = False) -> PictureRead:
    """What one picture says. Raises nothing: what cannot be read is told as its `problem`."""
    try:
        if file.is_dir():
            return _no_picture(file, "there is no picture in this folder")
        if file.stat().st_size > MOST_BYTES:
            return _no_picture(file, f"the file is larger than {MOST_BYTES // 1024 // 1024} MiB")
        grey = grey_of_file(file.read_bytes())
    except OSError as error:
        return _no_picture(file, f"the file cannot be read ({error.strerror})")
    if grey is None:
        return _no_picture(file, "the file is no picture that can be read (JPEG, PNG, WebP, GIF, BMP or TIFF)")
    clock, reader = SystemClock(), CodeReader()
    began = clock.now()
    reader.read_grey(grey)
    found, look = reader.found, reader.found_by
    if found is None and any_kind:
        found, look = any_symbology(grey), ANY_LOOK
    took = clock.now().ms_since(began)
    if found is None:
        return PictureRead(str(file), milliseconds=took, problem="no code is found in it")
    return PictureRead(str(file), found.text, found.symbology, look, found.box, took)


def line_of(outcome: PictureRead) -> str:
    """For people: control characters and what else cannot be shown are escaped."""
    if outcome.text is None:
        return f"{outcome.file}: {outcome.problem}"
    text = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in outcome.text)
    return f"{outcome.file}: {text}  ({outcome.symbology}, {outcome.look}, {outcome.milliseconds:.0f} ms)"


def exit_code(outcomes: Sequence[PictureRead]) -> int:
    """A file that is no picture outweighs a picture without a code."""
    if any(not outcome.is_picture for outcome in outcomes):
        return UNREADABLE
    return 0 if all(outcome.text is not None for outcome in outcomes) else 1


def _no_picture(file: Path, problem: str) -> PictureRead:
    return PictureRead(str(file), problem=problem, is_picture=False)
