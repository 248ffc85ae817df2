"""Clip packs: phrases that a site recorded itself, say in its own dialect, in place of synthesised ones.

A pack is a folder with `manifest.yaml` and WAV files. A pack is used as a whole or not at all: a file that is missing, broken
or not the one that the manifest pins is told in one sentence, and the site does not open with it.

    name: 东北话
    clips:
      - {language: cmn, cue: admitted, file: qing-tong-xing.wav, sha256: 9f86…, gain_db: -3}
"""

import hashlib
import string
from pathlib import Path

import msgspec
import yaml

from devices.speech_wave import at_gain, check_wave
from resort.access.spoken import SPOKEN, SpokenLanguage
from resort.errors import Invalid, InvalidConfig

MANIFEST = "manifest.yaml"
GAIN_DB = 24.0  # either way
LARGEST_BYTES = 4_000_000
NAME_CHARACTERS = frozenset(string.ascii_letters + string.digits + "._-")


class ClipEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recording."""

    language: SpokenLanguage  # in place of which language's phrase; a dialect takes the place of the one it is nearest to
    cue: str  # a reason code, or use_fast_lane
    file: str  # beside the manifest
    sha256: str = ""  # of the file, in hexadecimal; empty: any
    gain_db: float = 0.0


class ClipManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pack's manifest."""

    clips: list[ClipEntry]
    name: str = ""


class ClipPack:
    """The recordings of one pack, at the loudness that its manifest says: WAV files by cue and language."""

    def __init__(self, clips: dict[tuple[str, SpokenLanguage], bytes]) -> None:
        self._clips = clips

    def __len__(self) -> int:
        return len(self._clips)

    def find(self, cue: str, language: SpokenLanguage) -> bytes | None:
        """The recording, or None where the pack has none."""
        return self._clips.get((cue, language))


def load_clips(folder: str) -> ClipPack:
    """The pack in that folder; an empty one for no folder. Reads files. Raises InvalidConfig naming the first thing wrong."""
    if not folder:
        return ClipPack({})
    place = f"clip pack {folder}"
    path = Path(folder)
    clips: dict[tuple[str, SpokenLanguage], bytes] = {}
    for entry in _manifest(path / MANIFEST, place).clips:
        if entry.cue not in SPOKEN:
            raise InvalidConfig(place, f"{entry.cue} is no cue (a reason code such as already_used, or use_fast_lane)")
        if (entry.cue, entry.language) in clips:
            raise InvalidConfig(place, f"{entry.cue} in {entry.language} is there twice")
        clips[entry.cue, entry.language] = _recording(path, entry, place)
    return ClipPack(clips)


def _manifest(path: Path, place: str) -> ClipManifest:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidConfig(place, f"{MANIFEST} cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidConfig(place, f"{MANIFEST} is not YAML ({' '.join(str(error).split())})") from None
    try:
        return msgspec.convert(tree, ClipManifest)
    except msgspec.ValidationError as error:
        raise InvalidConfig(place, f"{MANIFEST}: {error}") from None


def _recording(folder: Path, entry: ClipEntry, place: str) -> bytes:
    if not set(entry.file) <= NAME_CHARACTERS or entry.file.startswith(".") or not entry.file:
        raise InvalidConfig(place, f"{entry.file!r} is no plain file name (letters, digits, dot, dash, underscore)")
    if not -GAIN_DB <= entry.gain_db <= GAIN_DB:
        raise InvalidConfig(place, f"the gain of {entry.file} is not within {GAIN_DB:g} dB either way")
    try:
        with (folder / entry.file).open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise InvalidConfig(place, f"{entry.file} cannot be read ({error.strerror})") from None
    if len(content) > LARGEST_BYTES:
        raise InvalidConfig(place, f"{entry.file} has more than {LARGEST_BYTES} bytes")
    if entry.sha256 and hashlib.sha256(content).hexdigest() != entry.sha256.lower():
        raise InvalidConfig(place, f"{entry.file} is not the file whose sha256 the manifest has")
    try:
        check_wave(content)
    except Invalid as error:
        raise InvalidConfig(place, f"{entry.file}: {error.problem}") from None
    return at_gain(content, 10 ** (entry.gain_db / 20))
