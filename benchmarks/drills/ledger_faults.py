"""Faults of the ledger's store and of the lines to it. What counts: how long no arm was unlocked, and when the ledger stood
again."""

import asyncio
import contextlib
import signal
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from benchmarks.drills.site_process import until
from benchmarks.drills.stand import PATIENCE_S, Stand
from resort.errors import Unavailable
from storage.redis_client import connect
from storage.redis_ledger import LedgerKeys

EPOCH = LedgerKeys(Path("drill.yaml").stem).epoch
PER_TICKETS = 100_000
LOSS_NS = 2_000_000_000  # so long a pause of grants counts as the loss's own; what comes later is the way back's
AFTERWARDS_S = 1.0  # the way back can pause grants too, so it is watched so much longer


async def kill_store(stand: Stand) -> None:
    """The store dies, and whatever comes up in its place dies too, for a while."""
    stand.victims("valkey-server")
    lost = stand.now_ns
    stand.kills += 1
    away_s = stand.dice.uniform(0.1, 3.0)
    while stand.since_s(lost) < away_s:
        for process in stand.site.processes("valkey-server"):
            stand.kill(process, signal.SIGKILL)
        await asyncio.sleep(0.02)
    await _note_loss(stand, lost, stand.now_ns)


async def freeze_store(stand: Stand) -> None:
    """The store hangs: it takes connections and answers nothing. Then it goes on where it was."""
    lost = stand.now_ns
    stand.kills += 1
    frozen = stand.victims("valkey-server")
    for process in frozen:
        stand.kill(process, signal.SIGSTOP)
    await asyncio.sleep(stand.dice.uniform(0.5, 4.0))
    back = stand.now_ns
    for process in frozen:
        stand.kill(process, signal.SIGCONT)
    await _note_loss(stand, lost, back)


async def wipe_store(stand: Stand) -> None:
    """FLUSHALL while the journal's writer is dead: what was not yet in SQL is nowhere but with the lanes."""
    for process in stand.victims("ray::JournalActor"):
        stand.kill(process, signal.SIGKILL)
    await asyncio.sleep(stand.dice.uniform(0.2, 0.6))
    lost = stand.now_ns
    stand.kills += 1
    store = connect(stand.valkey_socket)
    try:
        await store.flushall()
    finally:
        await store.aclose()
    await _note_loss(stand, lost, lost)


async def cut_gate(stand: Stand) -> None:
    """One gate loses its line to the ledger; the others have theirs."""
    gate_id = stand.dice.choice([name for name in stand.lines if name])
    await _cut(stand, [gate_id])


async def cut_everybody(stand: Stand) -> None:
    """Nobody reaches the ledger, and it has lost nothing."""
    await _cut(stand, list(stand.lines))


async def slow_lines(stand: Stand) -> None:
    """Every answer of the ledger takes 200 ms longer."""
    began = stand.now_ns
    stand.kills += 1
    for line in stand.lines.values():
        line.delay_s = 0.2
    await asyncio.sleep(stand.dice.uniform(2.0, 4.0))
    for line in stand.lines.values():
        line.delay_s = 0.0
    stand.note("slow_pause_max_s", stand.tail.longest_pause_s(began, stand.now_ns))
    await _note_loss(stand, stand.now_ns, stand.now_ns)


async def _cut(stand: Stand, names: list[str]) -> None:
    lost = stand.now_ns
    stand.kills += 1
    for name in names:
        stand.lines[name].cut()
    try:
        await asyncio.sleep(stand.dice.uniform(1.0, 5.0))
    finally:
        for name in names:
            stand.lines[name].mend()
    await _note_loss(stand, lost, stand.now_ns)


async def _note_loss(stand: Stand, lost_ns: int, back_ns: int) -> None:
    """From the loss: how long no arm was unlocked anywhere. From the return: when the ledger stood, and every lane granted."""
    store = connect(stand.valkey_socket)
    try:
        await until(lambda: _stands(store), PATIENCE_S, "The ledger")
        stand.note("rebuilt_max_s", stand.since_s(back_ns))
    except Unavailable as error:
        stand.remarks.append(str(error))
        stand.note("rebuilt_max_s", PATIENCE_S)
    finally:
        await store.aclose()
    back = stand.now_ns
    await asyncio.sleep(AFTERWARDS_S)
    noticed = min(stand.now_ns, lost_ns + LOSS_NS)
    stand.note("grants_resume_max_s", stand.tail.longest_pause_s(lost_ns, noticed))
    stand.note("return_pause_max_s", stand.tail.longest_pause_s(noticed, stand.now_ns))
    stand.note("turned_away", stand.tail.turned_away_between(lost_ns, stand.now_ns))
    for lane_id in stand.ports.values():
        stand.note("recovery_max_s", await stand.until_unlocked(back, lane_id))


async def _stands(store: Redis) -> bool:
    with contextlib.suppress(RedisError, OSError, TimeoutError):
        return bool(await store.exists(EPOCH))
    return False
