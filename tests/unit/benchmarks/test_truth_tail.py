"""Following a truth file: what was written is seen, also in pieces, and pauses are measured between unlockings."""

import asyncio
from pathlib import Path

from benchmarks.drills.truth_tail import NS, TruthTail
from sim.truth import ArmTurned, ArmUnlocked, GuestLeft, Truth, TruthWriter


def unlock(second: float, lane: str = "a") -> ArmUnlocked:
    return ArmUnlocked(lane=lane, pulse=1, guest=1, kind="honest", ticket="t", tick_ns=round(second * NS), at_ms=0)


def left(second: float, how: str, kind: str = "honest") -> GuestLeft:
    return GuestLeft(guest=1, lane="a", kind=kind, ticket="t", how=how, tick_ns=round(second * NS), at_ms=0)


async def until_turned(tail: TruthTail, turns: int) -> None:
    async with asyncio.timeout(20):
        while tail.turns < turns:  # noqa: ASYNC110 - the tail tells nobody
            await asyncio.sleep(0.005)


async def test_what_is_written_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "truth"
    turn = ArmTurned(lane="a", counter_in=1, guest=1, kind="honest", ticket="t", free=False, tick_ns=0, at_ms=0)
    async with TruthTail(path) as tail:
        with TruthWriter(path) as writer:
            records: list[Truth] = [unlock(1), unlock(2, "b"), unlock(5), turn]
            records += [left(6, "refused"), left(7, "gave_up"), left(8, "turned"), left(9, "refused", "forged")]
            for record in records:
                writer.tell(record)
            await until_turned(tail, 1)
            assert tail.unlocked_after(0) == 1 * NS
            assert tail.unlocked_after(2 * NS, "a") == 5 * NS
            assert tail.unlocked_after(6 * NS) is None
            assert tail.longest_pause_s(3 * NS, 5 * NS) == 3.0  # from the one before
            assert tail.longest_pause_s(3 * NS, 9 * NS) == 4.0  # none after the last
            with path.open("ab") as file:
                file.write(b'{"k":"turn","tick_ns":1,"at_ms":1,"lane":"a","coun')
                file.flush()
                await asyncio.sleep(0.02)
                file.write(b'ter_in":2,"guest":1,"kind":"","ticket":"","free":false}\n')
            await until_turned(tail, 2)
            assert tail.turned_away_between(0, 10 * NS) == 2


async def test_before_the_first_unlocking_the_pause_counts_from_it(tmp_path: Path) -> None:
    async with TruthTail(tmp_path / "truth") as tail:
        assert tail.longest_pause_s(1 * NS, 2 * NS) == 0.0
