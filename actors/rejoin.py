"""Giving the tickets back to a ledger that returned: rebuilt from SQL while the gates go on, then taken over in a held moment.

Order: write what SQL has; let every gate hold its lanes still and tell what they did; store that in SQL and write it too; set
the epoch with the gates' term; let them resume. Whatever fails before the epoch leaves the gates deciding as before.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from actors.gate_lanes import GateLanes
from actors.ledger_links import PeerGate
from resort.clock import Clock, Moment
from resort.errors import LedgerUnavailable
from resort.ids import GateId
from resort.messages import JournalEvent
from storage.rebuild import Rebuild

AWAY_MS = 5_000.0  # a gate that is away for so long is no home any more: its lease (`gate_ledger.LEASE_MS`) ran out
LAPSE_MS = 3_000.0  # attempts come closer together than this; after it, who was missed may have been back
KEEP_S = 0.5  # under `gate_ledger.THAW_MS`
_log = logging.getLogger("snowgate.ledger")


class Rejoin:
    """One per journal actor. `lanes` are those of each gate, asked when their gate is away. `begin` writes the tickets as SQL
    has them; `finish` what came later, and the epoch, and answers its term."""

    def __init__(
        self,
        gates: Mapping[GateId, PeerGate],
        lanes: Mapping[GateId, GateLanes],
        begin: Callable[[], Awaitable[Rebuild]],
        store: Callable[[Sequence[JournalEvent]], Awaitable[object]],
        finish: Callable[[Rebuild, int], Awaitable[int]],
        clock: Clock,
    ) -> None:
        self._gates = gates
        self._lanes = lanes
        self._begin = begin
        self._store = store
        self._finish = finish
        self._clock = clock
        self._missing: dict[GateId, Moment] = {}
        self._tried = clock.now()

    async def run(self) -> int:
        """One attempt; answers the term in which the ledger is whole again. Raises LedgerUnavailable or DatabaseUnavailable,
        then nothing has changed and it can be tried again."""
        if self._clock.now().ms_since(self._tried) > LAPSE_MS:
            self._missing.clear()  # of another loss, long ago
        try:
            return await self._attempt()
        finally:
            self._tried = self._clock.now()

    def about_to_run(self) -> None:
        """An attempt begins, which may take its time before `run`."""
        if self._clock.now().ms_since(self._tried) <= LAPSE_MS:
            self._tried = self._clock.now()

    async def _attempt(self) -> int:
        await self._present()  # before the long part, and so that who is away is missed from the first attempt on
        rebuild = await self._begin()
        present = await self._present()
        gates = list(present.values())
        missing = [gate_id for gate_id in self._gates if gate_id not in present]
        orphans = [lanes for gate_id, lanes in self._lanes.items() if gate_id in missing]
        routes = await asyncio.gather(*(gate.route() for gate in gates))
        term = max((route.term for route in routes), default=0)
        answers = await asyncio.gather(
            *(_held_by(gate, term, missing) for gate in gates), *(lanes.hold(term) for lanes in orphans), return_exceptions=True
        )
        try:
            events = _all_events(answers)
            async with _kept(gates, term):
                await self._store(events)
                whole = await self._finish(rebuild, term)
        except BaseException as error:
            _log.warning("the gates go on without the ledger, as giving the tickets back failed: %s", error)
            await asyncio.gather(*(gate.release(term) for gate in gates), return_exceptions=True)
            raise
        # Who does not hear it sees the epoch of its term.
        await asyncio.gather(
            *(gate.resume(term, whole) for gate in gates),
            *(lanes.resume(term, whole) for lanes in orphans),
            return_exceptions=True,
        )
        _log.warning("the ledger is whole again in term %s; %s events came from spools", whole, len(events))
        return whole

    async def _present(self) -> dict[GateId, PeerGate]:
        """The gates to ask. Raises LedgerUnavailable while one is away that may still decide."""
        now = self._clock.now()
        present: dict[GateId, PeerGate] = {}
        for gate_id, gate in self._gates.items():
            try:
                await gate.route()
            except LedgerUnavailable:
                missing = self._missing.setdefault(gate_id, now)
                if now.ms_since(missing) < AWAY_MS:
                    raise
                _log.warning("gate %s is away: its lanes are asked without it, and it returns to the ledger later", gate_id)
            else:
                self._missing.pop(gate_id, None)
                present[gate_id] = gate
        return present


@contextlib.asynccontextmanager
async def _kept(gates: Sequence[PeerGate], term: int) -> AsyncIterator[None]:
    """Tell the gates again and again that it goes on, however long SQL takes: who hears nothing takes the journal for dead."""

    async def tell() -> None:
        while True:
            await asyncio.sleep(KEEP_S)
            await asyncio.gather(*(gate.keep(term) for gate in gates), return_exceptions=True)

    telling = asyncio.create_task(tell(), name="keeping the gates still")
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _held_by(gate: PeerGate, term: int, without: Sequence[GateId]) -> list[JournalEvent]:
    return (await gate.hold(term, without)).events


def _all_events(answers: Sequence[list[JournalEvent] | BaseException]) -> list[JournalEvent]:
    events: list[JournalEvent] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        events += answer
    return events
