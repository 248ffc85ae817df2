"""What a trial of face recognition is fed with: lists of pairs, and folders with a folder for each person. Opens no picture."""

from pathlib import Path

import msgspec

from resort.errors import Invalid

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


class Pair(msgspec.Struct, frozen=True):
    """Two pictures, and whether they show one person."""

    one: Path
    other: Path
    same: bool


def load_pairs(file: Path, root: Path) -> list[Pair]:
    """The pairs of a list, in its order; pictures without a full path lie under `root`.

    A line is `picture, picture, 0 or 1`, parted by commas, semicolons, tabs or blanks; or one of the form of "Labeled Faces in
    the Wild": `person number number` and `person number person number`. Empty lines, lines that begin with # and a first line
    of headings do not count. Raises Invalid with the line's number.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid("list of pairs", f"{file.name!a} cannot be read ({_reason(error)})") from None
    pairs: list[Pair] = []
    for number, line in enumerate(lines, 1):
        fields = _fields(line)
        if not fields or fields[0].startswith("#"):
            continue
        pair = _pair(fields, root)
        if pair is not None:
            pairs.append(pair)
        elif number > 1:
            raise Invalid("list of pairs", f"line {number} is not `picture, picture, 0 or 1`")
    if not pairs:
        raise Invalid("list of pairs", "there is no pair in it")
    return pairs


def load_people(folder: Path) -> dict[str, list[Path]]:
    """The pictures of every person, by the name of his folder, both in the order of their names. Raises Invalid."""
    try:
        people = {entry.name: _pictures(entry) for entry in sorted(folder.iterdir()) if entry.is_dir()}
    except OSError as error:
        raise Invalid("folder of people", f"{folder.name!a} cannot be read ({_reason(error)})") from None
    found = {name: pictures for name, pictures in people.items() if pictures}
    if not found:
        raise Invalid("folder of people", f"{folder.name!a} has no folder with pictures in it, one for each person")
    return found


def _pictures(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in PICTURES)


def _fields(line: str) -> list[str]:
    for mark in ("\t", ",", ";"):
        if mark in line:
            return [field.strip() for field in line.split(mark)]
    return line.split()


def _pair(fields: list[str], root: Path) -> Pair | None:
    match fields:
        case [person, first, second] if first.isdecimal() and second.isdecimal():
            return Pair(_numbered(root, person, first), _numbered(root, person, second), True)
        case [one, other, "0" | "1" as same]:
            return Pair(root / one, root / other, same == "1")
        case [one, first, other, second] if first.isdecimal() and second.isdecimal():
            return Pair(_numbered(root, one, first), _numbered(root, other, second), False)
        case _:
            return None


def _numbered(root: Path, person: str, number: str) -> Path:
    return root / person / f"{person}_{int(number):04}.jpg"


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "it cannot be read") if isinstance(error, OSError) else "it is no text"
