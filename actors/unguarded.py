"""A lane with a guard off: what a ledger and a turnstile would be without the mechanism that protects them.

For control runs of drills only (`resort/guards.py`); with all guards on nothing here is in the way. Each wrapper is the naive
way of doing the same, which is what makes a control an honest one.
"""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from actors.spool_keeper import DiskSpool
from resort.access.entitlement import TicketRecord, Usage
from resort.errors import TurnstileUnreachable
from resort.guards import Guards
from resort.ids import LaneId, TicketId
from resort.messages import GrantAnnulled, GrantIssued, GrantOutcome, JournalEvent, TicketExited
from resort.ports import AdmissionLedger, ArmWay, Conflict, LaneMemory, Turnstile, TurnstileStatus
from storage.spool import Spool

TRIES = 12  # as patient as a Modbus library by default: 3 s, four times
AGAIN_S = 0.25


def ledger_under(guards: Guards, ledger: AdmissionLedger) -> AdmissionLedger:
    """The ledger itself, or without the guards that are off."""
    return ledger if guards.compare_and_set and guards.recovery else _UnguardedLedger(ledger, guards)


def turnstile_under(guards: Guards, turnstile: Turnstile) -> Turnstile:
    """The turnstile itself, or one whose pulses are repeated until they are confirmed."""
    return turnstile if guards.pulse_once else _RepeatingTurnstile(turnstile)


class _UnguardedLedger:
    """Without `compare_and_set` the last writer wins; without `recovery` a lane that starts knows nothing of before."""

    def __init__(self, ledger: AdmissionLedger, guards: Guards) -> None:
        self._ledger = ledger
        self._guards = guards

    async def find(self, ticket_id: TicketId) -> TicketRecord | None:
        return await self._ledger.find(ticket_id)

    async def commit_grant(self, grant: GrantIssued, expected: TicketRecord | None, usage: Usage | None) -> Conflict | None:
        conflict = await self._ledger.commit_grant(grant, expected, usage)
        while not self._guards.compare_and_set and conflict is not None and conflict.record is not None:
            conflict = await self._ledger.commit_grant(grant, conflict.record, usage)
        return conflict

    async def settle(self, outcome: GrantOutcome, expected: TicketRecord | None, usage: Usage | None) -> Conflict | None:
        return await self._ledger.settle(outcome, expected, usage)

    async def amend(self, event: GrantAnnulled | TicketExited, expected: TicketRecord, usage: Usage) -> Conflict | None:
        return await self._ledger.amend(event, expected, usage)

    async def append(self, events: Sequence[JournalEvent]) -> None:
        await self._ledger.append(events)

    async def lane_memory(self, lane_id: LaneId) -> LaneMemory:
        memory = await self._ledger.lane_memory(lane_id)
        if self._guards.recovery:
            return memory
        # Its number it keeps: a ledger that took nothing more of this lane would show another failure than this one.
        return msgspec.structs.replace(memory, open_grant=None, counter_in=None, counter_out=None)


def spool_under(guards: Guards, spool: Spool) -> DiskSpool:
    """The spool itself, or one that keeps nothing."""
    return spool if guards.spool else _EmptySpool(spool)


class _EmptySpool:
    """Takes everything and keeps nothing; the file below is only held, so that closing is the same."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.percent_used = 0.0

    async def append(self, events: Sequence[JournalEvent]) -> None:
        return None

    def check_room(self) -> None:
        return None

    async def flushed(self) -> None:
        return None

    def unconfirmed(self) -> list[JournalEvent]:
        return []

    def confirm(self, stored: Mapping[LaneId, int]) -> None:
        return None

    def last_seq(self, lane_id: LaneId) -> int:
        return 0

    async def close(self) -> None:
        await self._spool.close()


class _RepeatingTurnstile:
    """Sends a pulse again when it was not confirmed, as every Modbus library does by default."""

    def __init__(self, turnstile: Turnstile) -> None:
        self._turnstile = turnstile

    async def status(self) -> TurnstileStatus:
        return await self._turnstile.status()

    async def pulse_entry(self) -> None:
        for _ in range(TRIES - 1):
            try:
                return await self._turnstile.pulse_entry()
            except TurnstileUnreachable:
                await asyncio.sleep(AGAIN_S)
        await self._turnstile.pulse_entry()

    async def turn(self, way: ArmWay) -> None:
        await self._turnstile.turn(way)

    async def show(self, indicator: str) -> None:
        await self._turnstile.show(indicator)

    async def close(self) -> None:
        await self._turnstile.close()
