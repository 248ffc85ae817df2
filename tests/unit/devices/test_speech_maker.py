"""Text to speech by the real speech program: what it makes, what ends it, and that none of it is in our process."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from devices.speech_maker import PROGRAM, SpeechMaker, engine_folder, recipe
from devices.speech_wave import check_wave
from resort.access.spoken import SPOKEN, SPOKEN_LANGUAGES, SpokenLanguage, spoken
from resort.errors import Unavailable

PATIENCE_S = 60.0
ROOMS = ("resort", "actors", "sales", "devices", "ml_models", "storage", "orchestrator", "web_console", "sim", "benchmarks")
IMPORT_EVERYTHING = f"""
import asyncio, importlib, pkgutil, sys
for room in {ROOMS}:
    for found in pkgutil.walk_packages(importlib.import_module(room).__path__, room + "."):
        if not found.name.endswith(("__main__", ".speech_program")) and ".migrations" not in found.name:
            try:
                importlib.import_module(found.name)
            except ModuleNotFoundError as missing:  # a bench may want a package that only its own set-up installs
                assert missing.name.split(".")[0] not in {ROOMS}, missing
from devices.speech_maker import SpeechMaker
async def main():
    maker = SpeechMaker()
    assert len(await maker.say("cmn", "请通行")) > 10_000
    assert b"espeak" in open(f"/proc/{{maker.process_id}}/maps", "rb").read()
    await maker.close()
asyncio.run(main())
assert "devices.speech_maker" in sys.modules and "web_console.window" in sys.modules
print([name for name in sys.modules if "espeak" in name or name.endswith("speech_program")])
print("espeak" in open("/proc/self/maps").read())
"""


@pytest_asyncio.fixture
async def maker() -> AsyncIterator[SpeechMaker]:
    maker = SpeechMaker()
    yield maker
    await maker.close()


def samples(content: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(content)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def program(folder: Path, body: str) -> Path:
    """A stand-in for the speech program."""
    path = folder / "program.py"
    path.write_text(f'import sys, os\nprint(\'{{"version": "0"}}\', flush=True)\nfor line in sys.stdin:\n    {body}\n')
    return path


@pytest.mark.parametrize("language", SPOKEN_LANGUAGES)
async def test_every_phrase_is_really_spoken(maker: SpeechMaker, language: SpokenLanguage) -> None:
    made: dict[str, bytes] = {}
    for cue in SPOKEN:
        wav = await maker.say(language, spoken(cue, language))
        assert 0.4 < check_wave(wav) < 4.0, cue
        loud = np.abs(samples(wav).astype(np.int32))
        assert loud.max() > 8_000, cue
        # A voice, not a click: much of it is well above silence.
        assert (loud > 500).mean() > 0.3, cue
        made.setdefault(spoken(cue, language), wav)
        assert made[spoken(cue, language)] == wav
    assert len(set(made.values())) == len(made)  # no two texts sound the same


async def test_the_three_languages_are_three_voices(maker: SpeechMaker) -> None:
    assert len({await maker.say(language, "请通行") for language in SPOKEN_LANGUAGES}) == 3


async def test_the_same_text_is_the_same_sound_whatever_was_said_before(maker: SpeechMaker) -> None:
    alone = await maker.say("cmn", "请通行")
    await maker.say("en", "Ticket already used")
    await maker.say("yue", "呢张飞已经用咗")
    assert await maker.say("cmn", "请通行") == alone
    other = SpeechMaker()
    assert await other.say("cmn", "请通行") == alone
    await other.close()


async def test_a_killed_program_is_started_again(maker: SpeechMaker) -> None:
    before = await maker.say("cmn", "请通行")
    killed = maker.process_id
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert await maker.say("cmn", "请通行") == before
    assert maker.process_id not in (None, killed)


async def test_a_program_that_is_killed_over_a_text_speaks_it_in_its_next_life(maker: SpeechMaker) -> None:
    before = await maker.say("yue", "请通过")
    frozen = maker.process_id
    assert frozen is not None
    os.kill(frozen, signal.SIGSTOP)
    saying = asyncio.create_task(maker.say("yue", "请通过"))
    await asyncio.sleep(0)
    os.kill(frozen, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_S):
        assert await saying == before


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("os._exit(3)", "it ended"),
        ("print('nonsense', flush=True)", "it answered nonsense"),
        ('print(\'{"rate": 22050, "bytes": 3}\', flush=True)', "it answered nonsense"),
        ('print(\'{"rate": 22050, "bytes": 99000000}\', flush=True)', "it answered nonsense"),
        ("print('x' * 200_000, flush=True)", "it answered nonsense"),
        ('print(\'{"error": "no voice"}\', flush=True)', "no voice"),
    ],
)
async def test_a_program_that_fails_is_one_sentence(tmp_path: Path, body: str, says: str) -> None:
    maker = SpeechMaker(program(tmp_path, body))
    with pytest.raises(Unavailable, match=says):
        await maker.say("cmn", "请通行")
    await maker.close()


async def test_a_program_that_hangs_is_given_up(tmp_path: Path) -> None:
    maker = SpeechMaker(program(tmp_path, "pass"), answer_s=0.3)
    with pytest.raises(Unavailable, match=r"no answer within 0\.3 s"):
        await maker.say("cmn", "请通行")
    assert maker.process_id is None
    await maker.close()


async def test_the_program_ends_with_its_input(maker: SpeechMaker) -> None:
    await maker.say("en", "One moment")
    process = maker._process
    assert process is not None
    await maker.close()
    assert process.returncode == 0
    await maker.close()


def test_a_wrong_request_costs_the_program_nothing() -> None:
    asked = b'nonsense\n{"voice": "cmn"}\n{"voice": "xx-none", "text": "a", "words_per_minute": 150}\n'
    run = subprocess.run(
        [sys.executable, "-I", "-S", str(PROGRAM), str(engine_folder())], input=asked, capture_output=True, check=True
    )
    greeting, *answers = run.stdout.splitlines()
    assert greeting == b'{"version": "1.52.0"}'
    assert len(answers) == 3
    assert all(answer.startswith(b'{"error": ') for answer in answers)


def test_without_its_library_the_program_says_so(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-I", "-S", str(PROGRAM), str(tmp_path)], input=b"", capture_output=True, check=False)
    assert run.returncode == 1
    assert b"libespeak-ng.so" in run.stdout


def test_nothing_of_ours_ever_loads_the_library() -> None:
    run = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING], capture_output=True, text=True, timeout=PATIENCE_S * 2, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-2:] == ["[]", "False"]


def test_control_a_process_that_loads_it_is_recognised() -> None:
    load = f"import ctypes; ctypes.CDLL({str(engine_folder() / 'libespeak-ng.so')!r}); print(open('/proc/self/maps').read())"
    run = subprocess.run([sys.executable, "-c", load], capture_output=True, text=True, check=True)
    assert "espeak" in run.stdout


def test_the_program_is_a_work_of_its_own() -> None:
    text = PROGRAM.read_text(encoding="utf-8")
    assert text.startswith("# SPDX-License-Identifier: GPL-3.0-or-later\n")
    imported = {line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imported <= set(sys.stdlib_module_names)
    root = PROGRAM.parents[1]
    for path in (path for room in ROOMS for path in (root / room).rglob("*.py") if path != PROGRAM):
        lines = path.read_text(encoding="utf-8").splitlines()
        for line in (line.strip() for line in lines if line.strip().startswith(("import ", "from "))):
            assert "speech_program" not in line, path
            assert "espeak" not in line, path


def test_the_recipe_names_the_version_that_is_pinned() -> None:
    assert recipe().startswith("espeakng-loader 0.2.4")
