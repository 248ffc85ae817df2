"""Faults of what stands around a lane's process: a turnstile that falls silent, a full disk, a wall clock that jumps."""

import asyncio
import contextlib
import resource

import psutil

from benchmarks.drills.site_process import until
from benchmarks.drills.stand import PATIENCE_S, Stand
from resort.clock import set_rehearsed_clock
from resort.errors import Unavailable

TWO_HOURS_MS = 2 * 3_600_000
SILENCE_S = (0.8, 2.5)
WRITERS = ("ray::LaneActor", "ray::JournalActor", "ray::GateActor")


async def silence_turnstile(stand: Stand) -> None:
    """A controller answers nothing, with its connection open; half of them do what they are told all the same."""
    lane_id = stand.dice.choice(list(stand.ports.values()))
    stand.kills += 1
    # By the stage's word: it is as busy as everybody, and may have gone on answering for a while after it was told.
    began = await stand.stage.silence(lane_id, on=True, obeys=stand.dice.random() < 0.5)
    noticing = asyncio.create_task(_until_state(stand, lane_id, began, faulted=True), name="the board tells of it")
    try:
        await asyncio.sleep(stand.dice.uniform(*SILENCE_S))
    finally:
        healed = await stand.stage.silence(lane_id, on=False)
        noticed = noticing.done()
        noticing.cancel()
        await asyncio.gather(noticing, return_exceptions=True)
    # Who has not noticed by then never will: the whole silence counts, which is more than the bar.
    stand.note("noticed_max_s", noticing.result() if noticed else stand.since_s(began))
    stand.note("healed_max_s", await _until_state(stand, lane_id, healed, faulted=False))
    stand.note("recovery_max_s", await stand.until_unlocked(healed, lane_id))


async def _until_state(stand: Stand, lane_id: str, since_ns: int, *, faulted: bool) -> float:
    async def seen() -> bool:
        with contextlib.suppress(Unavailable):
            return ((await stand.look_at_board())[lane_id] == "faulted") is faulted
        return False

    try:
        await until(seen, PATIENCE_S, f"Lane {lane_id} {'faulted' if faulted else 'well'} on the board")
    except Unavailable as error:
        stand.remarks.append(str(error))
        return PATIENCE_S
    return stand.since_s(since_ns)


async def fill_disk(stand: Stand) -> None:
    """No process of lanes, gates and journal can write to any file for a while (every write fails, as on a full disk)."""
    began = stand.now_ns
    stand.kills += 1
    limited = [process for title in WRITERS for process in stand.site.processes(title)]
    before = {process.pid: _limit(process, (0, resource.RLIM_INFINITY)) for process in limited}
    try:
        await asyncio.sleep(stand.dice.uniform(1.0, 4.0))
    finally:
        for process in limited:
            _limit(process, before[process.pid])
    freed = stand.now_ns
    stand.note("full_pause_max_s", stand.tail.longest_pause_s(began, freed))
    for lane_id in stand.ports.values():
        stand.note("recovery_max_s", await stand.until_unlocked(freed, lane_id))


def _limit(process: psutil.Process, limits: tuple[int, int] | None) -> tuple[int, int] | None:
    """Set the largest size of files that the process may write; answers what it was. None for one that is gone."""
    try:
        before: tuple[int, int] = process.rlimit(psutil.RLIMIT_FSIZE)
        if limits is not None:
            process.rlimit(psutil.RLIMIT_FSIZE, limits)
    except psutil.NoSuchProcess:
        return None
    return before


async def jump_clock(stand: Stand) -> None:
    """The wall clock of every process jumps by two hours, one way or the other, and back."""
    began = stand.now_ns
    stand.kills += 1
    set_rehearsed_clock(stand.clock_file, stand.dice.choice((-1, 1)) * TWO_HOURS_MS)
    await asyncio.sleep(stand.dice.uniform(1.0, 3.0))
    for lane_id in stand.ports.values():
        stand.note("recovery_max_s", await stand.until_unlocked(began, lane_id))
    back = stand.now_ns
    set_rehearsed_clock(stand.clock_file, 0)
    for lane_id in stand.ports.values():
        stand.note("recovery_max_s", await stand.until_unlocked(back, lane_id))
