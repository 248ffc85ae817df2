"""Spoken phrases as WAV files in a folder, each named by a digest of what it is made from; made once, and read by every lane.

What a phrase is made from is language, text and recipe (package version and speed). So a phrase that changes has another file,
one that is there and whole is never made again, and two sites with the same version have the same files.
"""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from devices.speech_maker import SpeechMaker, recipe
from devices.speech_wave import read_wave
from resort.access.spoken import SPOKEN, SpokenLanguage, spoken
from resort.errors import Unavailable


class Made(msgspec.Struct, frozen=True):
    """What `make` did: phrases made now, phrases that were there, and what failed, in one sentence each."""

    made: int
    kept: int
    failed: tuple[str, ...] = ()


class SpeechStore:
    """The phrases of a site. Lanes only read; one process of the site makes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, cue: str, language: SpokenLanguage) -> Path:
        """Where that phrase is, or will be. Raises PartMissing without the speech package."""
        named = "\n".join(("snowgate speech", recipe(), language, spoken(cue, language)))
        return self._folder / f"{hashlib.sha256(named.encode()).hexdigest()}.wav"

    def load(self, cue: str, language: SpokenLanguage) -> bytes | None:
        """The phrase as a WAV file; None while it is not there. Reads a file; raises PartMissing."""
        return read_wave(self.path(cue, language))

    async def make(self, languages: Iterable[SpokenLanguage], maker: SpeechMaker) -> Made:
        """Make every phrase in these languages that is not there yet. A phrase that fails is left out and told of. Raises
        Unavailable when the folder cannot be written to, PartMissing without the speech package."""
        made = kept = 0
        failed: list[str] = []
        for language in languages:
            for cue in SPOKEN:
                if await asyncio.to_thread(self.load, cue, language) is not None:
                    kept += 1
                    continue
                try:
                    content = await maker.say(language, spoken(cue, language))
                except Unavailable as error:
                    failed.append(f"{cue} in {language}: {error}")
                    continue
                await asyncio.to_thread(self._keep, self.path(cue, language), content)
                made += 1
        return Made(made, kept, tuple(failed))

    def _keep(self, path: Path, content: bytes) -> None:
        """Whole or not at all: lanes read while we write."""
        written = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            written.write_bytes(content)
            written.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                written.unlink()
            raise Unavailable("The folder of spoken phrases", f"{self._folder} takes no file ({error.strerror})") from None
