"""Speakers: a program that takes WAV files, a file that notes them, silence. Where aplay is not installed, a small program that
takes the same arguments stands in for it: what it is given, and what becomes of it, is real."""

import asyncio
import contextlib
import os
import stat
import struct
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil
import pytest

from devices.speaker import AlsaSpeaker, FileSpeaker, NullSpeaker, Played, open_speaker
from devices.speech_wave import wave_file
from resort.clock import ManualClock
from resort.errors import InvalidConfig, PartMissing, Unavailable
from resort.ports import Clip

PATIENCE_S = 20.0
CLIP = Clip("admitted.cmn", wave_file(struct.pack("<4h", 0, 100, -100, 2_000), 22_050))
SOFT = wave_file(struct.pack("<4h", 0, 50, -50, 1_000), 22_050)


def clock() -> ManualClock:
    return ManualClock(datetime(2026, 12, 12, 1, 0, tzinfo=UTC))


def player(folder: Path, body: str) -> str:
    path = folder / "player"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def pipes() -> int:
    """Pipes that this process has open."""
    targets = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            targets.append(os.readlink(f"/proc/self/fd/{name}"))
    return sum(target.startswith("pipe:") for target in targets)


def notes(path: Path) -> list[Played]:
    return [msgspec.json.decode(line, type=Played) for line in path.read_bytes().splitlines()]


async def test_a_clip_goes_to_the_sound_card_at_its_loudness(tmp_path: Path) -> None:
    speaker = AlsaSpeaker("plughw:1", player(tmp_path, f'echo "$@" > {tmp_path}/asked; cat > {tmp_path}/heard.wav'))
    await speaker.play(CLIP, 100)
    assert (tmp_path / "heard.wav").read_bytes() == CLIP.wav
    assert (tmp_path / "asked").read_text().split() == ["--quiet", "--device=plughw:1", "--file-type=wav", "-"]
    await speaker.play(CLIP, 50)
    assert (tmp_path / "heard.wav").read_bytes() == SOFT
    await speaker.close()


async def test_a_clip_that_is_cut_off_leaves_no_program_behind(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    await asyncio.to_thread(os.mkfifo, ready)
    holds_on = f"cat > /dev/null; echo $$ > {ready}; exec sleep 600"
    speaker = AlsaSpeaker("default", player(tmp_path, holds_on))
    playing = asyncio.create_task(speaker.play(CLIP, 100))
    pid = int(await asyncio.to_thread(ready.read_text))  # once the program has heard it all
    assert psutil.pid_exists(pid)
    playing.cancel()
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(playing, return_exceptions=True)
    assert playing.cancelled()
    assert not psutil.pid_exists(pid)
    await speaker.close()


@pytest.mark.parametrize("turns", range(8))
async def test_cut_off_at_any_moment_no_program_and_no_pipe_is_left(tmp_path: Path, turns: int) -> None:
    speaker = AlsaSpeaker("default", player(tmp_path, "cat > /dev/null; exec sleep 600"))
    before, open_pipes = children(), pipes()
    playing = asyncio.create_task(speaker.play(CLIP, 50))
    for _ in range(turns):
        await asyncio.sleep(0)
    playing.cancel()
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(playing, return_exceptions=True)
    assert playing.cancelled()
    assert children() == before
    assert pipes() == open_pipes
    await speaker.close()


async def test_what_the_program_says_is_told(tmp_path: Path) -> None:
    speaker = AlsaSpeaker("nowhere", player(tmp_path, "echo 'audio open error: No such file' >&2; exit 1"))
    with pytest.raises(Unavailable, match="says: audio open error: No such file"):
        await speaker.play(CLIP, 100)


async def test_a_program_that_does_not_listen_is_no_crash(tmp_path: Path) -> None:
    long = Clip("long", wave_file(bytes(400_000), 22_050))  # more than a pipe holds
    with pytest.raises(Unavailable, match="exit code 3"):
        await AlsaSpeaker("default", player(tmp_path, "exit 3")).play(long, 100)


async def test_without_the_program_it_says_what_to_install() -> None:
    with pytest.raises(PartMissing, match="alsa-utils"):
        await AlsaSpeaker("default", "/nowhere/aplay").play(CLIP, 100)


async def test_a_file_notes_what_would_be_heard(tmp_path: Path) -> None:
    time, path = clock(), tmp_path / "played.jsonl"
    speaker = FileSpeaker(path, time)
    await speaker.play(CLIP, 70)
    time.advance_ms(1_500)
    await speaker.play(Clip("already_used.yue", b""), 30)
    assert notes(path) == [
        Played("2026-12-12T01:00:00+00:00", "admitted.cmn", 70),
        Played("2026-12-12T01:00:01.500000+00:00", "already_used.yue", 30),
    ]


async def test_a_file_that_takes_nothing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="takes nothing"):
        await FileSpeaker(tmp_path / "nowhere" / "played.jsonl", clock()).play(CLIP, 100)


async def test_silence_is_silent() -> None:
    speaker = NullSpeaker()
    await speaker.play(CLIP, 100)
    await speaker.close()


def test_addresses(tmp_path: Path) -> None:
    assert isinstance(open_speaker(None, clock()), NullSpeaker)
    assert isinstance(open_speaker("alsa://default", clock()), AlsaSpeaker)
    assert isinstance(open_speaker(f"file://{tmp_path}/played.jsonl", clock()), FileSpeaker)
    with pytest.raises(InvalidConfig, match="is not alsa://default"):
        open_speaker("pulse://x", clock())
