# SPDX-License-Identifier: GPL-3.0-or-later
"""A program of its own that speaks text by espeak-ng 1.52. Like that library, this file is under the GPL, version 3 or later.

It is run as a process and spoken to over its standard input and output. It imports nothing of Snowgate, and nothing of
Snowgate imports it: see docs/adr/0010-speech-in-a-process-of-its-own.md. Standard library only.

    python -I -S speech_program.py FOLDER

FOLDER holds `libespeak-ng.so` and `espeak-ng-data`. The first line of its output is `{"version": "1.52.0"}`. Each line of its
input is `{"voice": "cmn", "text": "...", "words_per_minute": 150}`; the answer is a line `{"rate": 22050, "bytes": N}` and N
bytes of signed 16-bit little-endian mono samples, or a line `{"error": "..."}`. It ends with its input.
"""

import ctypes
import json
import os
import sys
from typing import BinaryIO

SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: samples go to the callback, and espeak_Synth returns when they are complete
DO_NOT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT
CHARACTERS, UTF8 = 1, 1  # espeak_POSITION_TYPE, espeakCHARS_UTF8
RATE = 1  # espeak_PARAMETER: words per minute
POLITENESS = 10
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Engine:
    """The library in this process, initialised once."""

    def __init__(self, folder: str) -> None:
        # The library takes no path over 160 characters for its data: from within the folder it is short.
        os.chdir(folder)
        self._library = ctypes.CDLL(os.path.join(os.getcwd(), "libespeak-ng.so"))
        self.rate = self._library.espeak_Initialize(SYNCHRONOUS, 0, b".", DO_NOT_EXIT)
        if self.rate <= 0:
            raise OSError("espeak-ng does not find its data")
        self._library.espeak_Info.restype = ctypes.c_char_p
        self.version = self._library.espeak_Info(None).decode()

    def samples(self, voice: str, text: str, words_per_minute: int) -> bytes:
        """The text spoken. Raises ValueError when the engine does not take it."""
        heard = bytearray()

        def take(samples: int | None, count: int, _events: int | None) -> int:
            if samples and count > 0:
                heard.extend(ctypes.string_at(samples, count * 2))
            return 0

        callback = CALLBACK(take)
        self._library.espeak_SetSynthCallback(callback)
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice}")
        self._library.espeak_SetParameter(RATE, words_per_minute, 0)
        encoded = text.encode() + b"\0"
        failed = self._library.espeak_Synth(encoded, ctypes.c_size_t(len(encoded)), 0, CHARACTERS, 0, UTF8, None, None)
        if failed or self._library.espeak_Synchronize() != 0 or not heard:
            raise ValueError("espeak-ng did not speak the text")
        return bytes(heard)


def answer(engine: Engine, line: bytes, output: BinaryIO) -> None:
    """Answer one request."""
    try:
        asked = json.loads(line)
        samples = engine.samples(str(asked["voice"]), str(asked["text"]), int(asked["words_per_minute"]))
    except (ValueError, KeyError, TypeError) as error:
        _tell(output, {"error": str(error)})
        return
    _tell(output, {"rate": engine.rate, "bytes": len(samples)}, samples)


def _tell(output: BinaryIO, head: dict[str, object], body: bytes = b"") -> None:
    output.write(json.dumps(head).encode() + b"\n" + body)
    output.flush()


def serve(folder: str) -> int:
    """Answer until the input ends; the exit code."""
    # What the library prints goes to the error output: the real one is for answers.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.nice(POLITENESS)  # lanes come first
    try:
        engine = Engine(folder)
    except OSError as error:
        _tell(output, {"error": str(error)})
        return 1
    _tell(output, {"version": engine.version})
    for line in sys.stdin.buffer:
        # The engine's voice flutters on from one text to the next, so the same text would sound a little different each
        # time. A child begins with a fresh engine: same text, same samples; and a text that kills it, kills only the child.
        child = os.fork()
        if child == 0:
            code = 1
            try:
                answer(engine, line, output)
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        if status != 0:
            _tell(output, {"error": "espeak-ng failed on this text"})
    return 0


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1]))
