"""Programs beside us: whenever whoever began one is cancelled, none is left, and no pipe of it."""

import asyncio
import os
import sys

import psutil
import pytest

from devices.child_process import begin, end

PATIENCE_S = 20.0
WAITS = (sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()")


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def pipes() -> int:
    """Pipes that this process has open."""
    targets = []
    for name in os.listdir("/proc/self/fd"):
        try:
            targets.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:  # the listing's own
            continue
    return sum(target.startswith("pipe:") for target in targets)


@pytest.mark.parametrize("turns", range(12))
async def test_cancelled_at_any_moment_nothing_is_left(turns: int) -> None:
    await end(await begin(*WAITS))  # what the event loop opens for its first child
    before, open_pipes = children(), pipes()
    beginning = asyncio.create_task(begin(*WAITS, hear_out=True, hear_error=True))
    for _ in range(turns):
        await asyncio.sleep(0)
    beginning.cancel()
    async with asyncio.timeout(PATIENCE_S):
        (process,) = await asyncio.gather(beginning, return_exceptions=True)
    if not isinstance(process, BaseException):  # it was there already
        await end(process)
    await asyncio.sleep(0)  # pipes close one turn later
    assert children() == before
    assert pipes() == open_pipes


async def test_ended_twice_is_ended_once() -> None:
    process = await begin(*WAITS)
    await end(process)
    await end(process)
    assert process.returncode is not None


async def test_a_program_that_is_not_there_is_an_oserror() -> None:
    with pytest.raises(FileNotFoundError):
        await begin("/nowhere/program")
