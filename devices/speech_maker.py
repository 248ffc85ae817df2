"""Text to WAV by the speech program, in a process of its own (`devices/speech_program.py`). No espeak-ng is loaded in this one.

One text at a time. A program that ends, hangs or answers nonsense is ended and started again once for that text; then the text
counts as failed and the next one begins with a new program.
"""

import asyncio
import contextlib
import importlib.util
import sys
from asyncio.subprocess import DEVNULL, PIPE
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from devices.speech_wave import SAMPLE_BYTES, wave_file
from resort.access.spoken import SpokenLanguage
from resort.errors import PartMissing, Unavailable

ENGINE = "espeakng-loader"  # the package that carries the library and its voices
PROGRAM = Path(__file__).with_name("speech_program.py")
ANSWER_S = 20.0  # a phrase takes about 10 ms on a quiet core; a machine that is starting up is not quiet
CLOSE_S = 2.0
MOST_BYTES = 4_000_000  # of one phrase: over a minute
WORDS_PER_MINUTE = 165
VOICES: dict[SpokenLanguage, str] = {"cmn": "cmn", "yue": "yue", "en": "en"}


class _Request(msgspec.Struct, frozen=True):
    voice: str
    text: str
    words_per_minute: int


class _Answer(msgspec.Struct, frozen=True):
    version: str = ""
    rate: int = 0
    bytes: int = 0
    error: str = ""


class _Broken(Exception):
    """The program ended, hung or answered nonsense; the text says which."""


def recipe() -> str:
    """What the sound of a phrase depends on besides language and text. Raises PartMissing without the package."""
    try:
        return f"{ENGINE} {version(ENGINE)}, {WORDS_PER_MINUTE} words a minute, 1"
    except PackageNotFoundError:
        raise PartMissing("The speech package", f"install {ENGINE} (make install)") from None


def engine_folder() -> Path:
    """Where the package keeps library and voices; found without importing it. Raises PartMissing."""
    found = importlib.util.find_spec(ENGINE.replace("-", "_"))
    if found is None or found.origin is None:
        raise PartMissing("The speech package", f"install {ENGINE} (make install)")
    return Path(found.origin).parent


class SpeechMaker:
    """Speaks texts. Use `say` as often as wanted, one after the other, then `close`."""

    def __init__(self, program: Path = PROGRAM, answer_s: float = ANSWER_S) -> None:
        self._program = program
        self._answer_s = answer_s
        self._process: asyncio.subprocess.Process | None = None

    @property
    def process_id(self) -> int | None:
        """Of the program, while it runs."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def say(self, language: SpokenLanguage, text: str) -> bytes:
        """A WAV file of the text. Raises Unavailable when the program fails twice on it, PartMissing without the package."""
        request = _Request(VOICES[language], text, WORDS_PER_MINUTE)
        try:
            return await self._asked(request)
        except _Broken:
            await self._end()
        try:
            return await self._asked(request)
        except _Broken as broken:
            await self._end()
            raise Unavailable("The speech program", str(broken)) from None

    async def close(self) -> None:
        """End the program; idempotent."""
        process = self._process
        try:
            if process is not None and process.returncode is None and process.stdin is not None:
                process.stdin.close()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_S):
                        await process.wait()
        finally:
            await self._end()

    async def _asked(self, request: _Request) -> bytes:
        try:
            async with asyncio.timeout(self._answer_s):
                process = self._process or await self._start()
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(msgspec.json.encode(request) + b"\n")
                await process.stdin.drain()
                answer = await self._answer(process.stdout)
                if answer.error:
                    raise Unavailable("The speech program", answer.error)
                if not 0 < answer.bytes <= MOST_BYTES or answer.bytes % SAMPLE_BYTES or answer.rate <= 0:
                    raise _Broken("it answered nonsense")
                return wave_file(await process.stdout.readexactly(answer.bytes), answer.rate)
        except TimeoutError:
            raise _Broken(f"no answer within {self._answer_s:g} s") from None
        except (OSError, asyncio.IncompleteReadError):
            raise _Broken("it ended") from None

    async def _answer(self, output: asyncio.StreamReader) -> _Answer:
        try:
            line = await output.readuntil(b"\n")
            return msgspec.json.decode(line, type=_Answer)
        except (msgspec.DecodeError, asyncio.LimitOverrunError):
            raise _Broken("it answered nonsense") from None

    async def _start(self) -> asyncio.subprocess.Process:
        # -I -S: neither our packages nor the environment's; the program needs the standard library only.
        command = (sys.executable, "-I", "-S", str(self._program), str(engine_folder()))
        self._process = process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
        assert process.stdout is not None
        greeting = await self._answer(process.stdout)
        if greeting.error:
            raise Unavailable("The speech program", greeting.error)
        return process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()  # closes its pipes too
