"""Loudspeakers: a sound card by ALSA's own `aplay`, a file that only notes what would be heard, or silence.

Each plays one clip at a time, to its end or until it is cancelled, and knows nothing of results, languages or what is newest:
that is `actors/lane_results.py`.
"""

import asyncio
import contextlib
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

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


class _Run:
    """One run of a program that takes a clip on its standard input. `play` blocks; `cut` ends it from another thread."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._cut = False

    def play(self, wav: bytes, gain: float) -> tuple[int, bytes]:
        """The exit code, and what the program says. Raises OSError when it cannot be run."""
        loud = at_gain(wav, gain)
        if self._cut:
            return 0, b""
        self._process = process = subprocess.Popen(  # noqa: S603 - aplay with a device from the site file
            self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        with process:
            # Whoever cuts it says so first and looks for the process then, so one of the two sees the other.
            if self._cut:
                process.kill()
            _, said = process.communicate(loud)
        return process.returncode, said

    def cut(self) -> None:
        """Let it sound no longer; idempotent."""
        self._cut = True
        if self._process is not None:
            self._process.kill()


class AlsaSpeaker:
    """A sound card. Each clip is a run of `aplay`, which a guest who comes in between ends at once.

    The program is run in a thread: an event loop that starts processes stands still meanwhile (10 ms under uvloop), and this
    one has an arm to watch.
    """

    def __init__(self, device: str, program: str = APLAY) -> None:
        self._command = (program, "--quiet", f"--device={device}", "--file-type=wav", "-")
        self._thread = ThreadPoolExecutor(1, f"speaker {device}")

    async def play(self, clip: Clip, percent: int) -> None:
        """Play it. Raises Unavailable with what aplay says, PartMissing without aplay."""
        run = _Run(self._command)
        playing = asyncio.get_running_loop().run_in_executor(self._thread, run.play, clip.wav, percent / 100)
        try:
            code, said = await asyncio.shield(playing)
        except asyncio.CancelledError:
            run.cut()
            with contextlib.suppress(OSError):
                await playing
            raise
        except FileNotFoundError:
            raise PartMissing(f"The program {self._command[0]}", "install alsa-utils, or give the lane no speaker") from None
        except OSError as error:
            raise Unavailable("The speaker", f"{self._command[0]} cannot be run ({error.strerror})") from None
        if code != 0:
            detail = " ".join(said[:MESSAGE_BYTES].decode(errors="replace").split()) or f"exit code {code}"
            raise Unavailable("The speaker", f"{self._command[0]} says: {detail}")

    async def close(self) -> None:
        """No device is kept open between two clips."""
        self._thread.shutdown(wait=False)


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
