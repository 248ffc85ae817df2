"""Loudspeakers: a sound card by ALSA's own `aplay`, a file that only notes what would be heard, or silence.

Each plays one clip at a time, to its end or until it is cancelled, and knows nothing of results, languages or what is newest:
that is `actors/lane_results.py`.
"""

import asyncio
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from devices.child_process import begin, end
from devices.speech_wave import at_gain
from resort.clock import Clock
from resort.errors import InvalidConfig, PartMissing, Unavailable
from resort.ports import Clip, Speaker

APLAY = "aplay"
MESSAGE_BYTES = 400  # of what aplay says when it fails


class Played(msgspec.Struct, frozen=True):
    """One line of a `file://` speaker: when the clip began (UTC), its name (`already_used.cmn`), and how loud."""

    at: str
    clip: str
    percent: int


class NullSpeaker:
    """A lane without a loudspeaker."""

    async def play(self, clip: Clip, percent: int) -> None:
        """Nothing is heard."""
        return

    async def close(self) -> None:
        """Nothing to free."""
        return


class FileSpeaker:
    """Appends a `Played` as a JSON line for each clip; for tests, and for sites that have no sound yet."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    async def play(self, clip: Clip, percent: int) -> None:
        """Note the clip; it takes no time. Raises Unavailable when the file takes nothing."""
        line = msgspec.json.encode(Played(self._clock.now().at.isoformat(), clip.name, percent)) + b"\n"
        await asyncio.to_thread(self._append, line)

    async def close(self) -> None:
        """The file is not kept open."""
        return

    def _append(self, line: bytes) -> None:
        try:
            with self._path.open("ab") as file:
                file.write(line)
        except OSError as error:
            raise Unavailable("The speaker", f"{self._path} takes nothing ({error.strerror})") from None


class AlsaSpeaker:
    """A sound card. Each clip is a run of `aplay`, which a guest who comes in between ends at once."""

    def __init__(self, device: str, program: str = APLAY) -> None:
        self._device = device
        self._program = program

    async def play(self, clip: Clip, percent: int) -> None:
        """Play it. Raises Unavailable with what aplay says, PartMissing without aplay."""
        wav = at_gain(clip.wav, percent / 100)
        try:
            command = (self._program, "--quiet", f"--device={self._device}", "--file-type=wav", "-")
            process = await begin(*command, hear_error=True)
        except FileNotFoundError:
            raise PartMissing(f"The program {self._program}", "install alsa-utils, or give the lane no speaker") from None
        except OSError as error:
            raise Unavailable("The speaker", f"{self._program} cannot be run ({error.strerror})") from None
        try:
            _, said = await process.communicate(wav)
        except BaseException:
            await end(process)
            raise
        if process.returncode != 0:
            detail = " ".join(said[:MESSAGE_BYTES].decode(errors="replace").split()) or f"exit code {process.returncode}"
            raise Unavailable("The speaker", f"{self._program} says: {detail}")

    async def close(self) -> None:
        """No device is kept open between two clips."""
        return


def speaker_problem(address: str | None) -> str | None:
    """What is missing on this machine for that address, and what to do; None: nothing."""
    if address is not None and address.startswith("alsa:") and shutil.which(APLAY) is None:
        return f"{APLAY} is not installed - install alsa-utils"
    return None


def open_speaker(address: str | None, clock: Clock) -> Speaker:
    """The speaker at an address of the site file (see `SpeakerSite`). Raises InvalidConfig."""
    if address is None:
        return NullSpeaker()
    parts = urlsplit(address)
    if parts.scheme == "alsa" and parts.netloc:
        return AlsaSpeaker(unquote(parts.netloc))
    if parts.scheme == "file" and parts.path:
        return FileSpeaker(Path(unquote(parts.path)), clock)
    raise InvalidConfig("speaker.address", f"{address} is not alsa://default, alsa://DEVICE, file:///path or null")
