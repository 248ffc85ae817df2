"""Giving the tickets back to a ledger that returned: rebuilt from SQL while the gates go on, then taken over in a held moment.

Order: write what SQL has; let every gate hold its lanes still and tell what they did; store that in SQL and write it too; set
the epoch with the gates' term; let them resume. Whatever fails before the epoch leaves the gates deciding as before.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from actors.ledger_links import Handover, PeerGate
from resort.clock import Clock, Moment
from resort.errors import LedgerUnavailable
from resort.ids import GateId
from resort.messages import JournalEvent
from storage.rebuild import Rebuild

AWAY_MS = 10_000.0  # a gate that is away for so long decides alone at most (its lease ran out) and returns by itself
_log = logging.getLogger("snowgate.ledger")


class Rejoin:
    """One per journal actor. `begin` writes the tickets as SQL has them; `finish` what came later, and the epoch."""

    def __init__(
        self,
        gates: dict[GateId, PeerGate],
        begin: Callable[[], Awaitable[Rebuild]],
        store: Callable[[Sequence[JournalEvent]], Awaitable[object]],
        finish: Callable[[Rebuild, int], Awaitable[object]],
        clock: Clock,
    ) -> None:
        self._gates = gates
        self._begin = begin
        self._store = store
        self._finish = finish
        self._clock = clock
        self._missing: dict[GateId, Moment] = {}

    async def run(self) -> int:
        """One attempt; answers the term in which the ledger is whole again. Raises LedgerUnavailable or DatabaseUnavailable,
        then nothing has changed and it can be tried again."""
        rebuild = await self._begin()
        gates = await self._present()
        term = max(await asyncio.gather(*(gate.term() for gate in gates)), default=0)
        answers = await asyncio.gather(*(gate.hold(term) for gate in gates), return_exceptions=True)
        try:
            events = _all_events(answers)
            await self._store(events)
            await self._finish(rebuild, term)
        except BaseException as error:
            _log.warning("the gates go on without the ledger, as giving the tickets back failed: %s", error)
            await asyncio.gather(*(gate.release(term) for gate in gates), return_exceptions=True)
            raise
        # Who does not hear it sees the epoch of its term.
        await asyncio.gather(*(gate.resume(term) for gate in gates), return_exceptions=True)
        _log.warning("the ledger is whole again in term %s; %s events came from spools", term, len(events))
        return term

    async def _present(self) -> list[PeerGate]:
        """The gates to ask. Raises LedgerUnavailable while one is away that may still decide."""
        now = self._clock.now()
        present: list[PeerGate] = []
        for gate_id, gate in self._gates.items():
            try:
                await gate.term()
            except LedgerUnavailable:
                missing = self._missing.setdefault(gate_id, now)
                if now.ms_since(missing) < AWAY_MS:
                    raise
                _log.warning("gate %s is away and returns to the ledger later", gate_id)
            else:
                self._missing.pop(gate_id, None)
                present.append(gate)
        return present


def _all_events(answers: Sequence[Handover | BaseException]) -> list[JournalEvent]:
    events: list[JournalEvent] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        events += answer.events
    return events
