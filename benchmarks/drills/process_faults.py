"""Faults of processes: SIGKILL, never a polite stop. Each strikes, waits until things are as they were, and notes how long it
took as seen from outside."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

from benchmarks.drills.site_process import until
from benchmarks.drills.stand import PATIENCE_S, Stand
from resort.errors import Unavailable

AIMED = 0.7  # this share of the kills of lanes strikes while a guest stands before the open arm, the rest at any moment
IN_FLIGHT_S = 0.1  # what a process did just before it died may still take effect so long


async def kill_lane(stand: Stand) -> None:
    """A lane's process dies. It serves again when its arm is unlocked for a guest."""
    hosts = stand.lane_hosts()
    if not hosts:
        raise Unavailable("A lane's process", "none has connected to its scanner")
    process, lane_id = stand.dice.choice(hosts)
    if stand.dice.random() < AIMED:
        await stand.next_unlocking(lane_id)
        await asyncio.sleep(stand.dice.uniform(0.0, stand.plan.turn_ms[1] / 2000))
    killed = stand.kill(process, signal.SIGKILL)
    stand.kills += 1
    seconds = await stand.until_unlocked(killed + round(IN_FLIGHT_S * 1e9), lane_id)
    stand.note("recovery_max_s", min(PATIENCE_S, seconds + IN_FLIGHT_S))


async def kill_gate(stand: Stand) -> None:
    """A gate's actor dies. It serves again when every gate takes orders; lanes go on meanwhile."""
    process = stand.dice.choice(stand.victims("ray::GateActor"))
    first_lanes = {lane_id.rpartition("-")[0]: lane_id for lane_id in sorted(stand.ports.values(), reverse=True)}
    killed = stand.kill(process, signal.SIGKILL)
    stand.kills += 1
    await asyncio.sleep(IN_FLIGHT_S)

    async def served() -> bool:
        return all([await stand.site.takes_orders(lane_id) for lane_id in first_lanes.values()])

    await _note_return(stand, "recovery_max_s", killed, served, "The gate")
    stand.note("grants_pause_max_s", stand.tail.longest_pause_s(killed, stand.now_ns))


async def kill_journal(stand: Stand) -> None:
    """The journal's writer dies. It serves again when SQL gets new rows."""
    process = stand.dice.choice(stand.victims("ray::JournalActor"))
    killed = stand.kill(process, signal.SIGKILL)
    stand.kills += 1
    await _note_new_rows(stand, killed)
    stand.note("grants_pause_max_s", stand.tail.longest_pause_s(killed, stand.now_ns))


async def kill_sql(stand: Stand) -> None:
    """The SQL server dies and stays away for a while. Lanes go on; after its return SQL gets new rows."""
    postgres = stand.postgres
    assert postgres is not None
    died = stand.now_ns
    if not await asyncio.to_thread(postgres.kill):
        raise Unavailable("PostgreSQL", "there was nothing to kill")
    stand.kills += 1
    await asyncio.sleep(stand.dice.uniform(0.5, 4.0))
    await postgres.revive()
    await _note_new_rows(stand, stand.now_ns)
    stand.note("grants_pause_max_s", stand.tail.longest_pause_s(died, stand.now_ns))


async def kill_head(stand: Stand) -> None:
    """Everything dies in one moment, as when the power goes, and somebody opens the site again."""
    await stand.site.kill()
    stand.kills += 1
    died = stand.now_ns
    await stand.site.open()
    stand.note("reopen_max_s", stand.since_s(died))
    # Judged from the moment it says that it is open, when every lane serves.
    opened = stand.now_ns
    for lane_id in stand.ports.values():
        stand.note("recovery_max_s", await stand.until_unlocked(opened, lane_id))


async def kill_any(stand: Stand) -> None:
    """A process of the site, whichever: lane, gate, journal, feed, Valkey, pricing."""
    strike = stand.dice.choice((kill_lane, kill_gate, kill_journal, _kill_bystander))
    await strike(stand)


async def _kill_bystander(stand: Stand) -> None:
    """Processes whose death guests must not notice."""
    titles = ("ray::FeedActor", "ray::OrchestratorActor", "ray::PricingActor")
    victims = stand.victims(stand.dice.choice(titles))
    killed = stand.kill(stand.dice.choice(victims), signal.SIGKILL)
    stand.kills += 1
    await asyncio.sleep(1.0)
    stand.note("grants_pause_max_s", stand.tail.longest_pause_s(killed, stand.now_ns))


async def _note_new_rows(stand: Stand, since_ns: int) -> None:
    await asyncio.sleep(IN_FLIGHT_S)
    before = None

    async def written() -> bool:
        nonlocal before
        newest = await stand.view.newest()
        if before is None:
            before = newest
        return newest is not None and before is not None and newest > before

    await _note_return(stand, "recovery_max_s", since_ns, written, "New rows in SQL")


async def _note_return(stand: Stand, figure: str, since_ns: int, look: Callable[[], Awaitable[bool]], what: str) -> None:
    try:
        await until(look, PATIENCE_S, what)
        stand.note(figure, stand.since_s(since_ns))
    except Unavailable as error:
        stand.remarks.append(str(error))
        stand.note(figure, PATIENCE_S)
