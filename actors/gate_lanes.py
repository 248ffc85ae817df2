"""The lane processes of one gate as it orders them: all at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from actors.gate_peers import quietly
from actors.ledger_links import Handover, HostedLanes, Route
from resort.clock import Clock
from resort.errors import LedgerUnavailable
from resort.ids import GateId
from resort.messages import JournalEvent

_log = logging.getLogger("snowgate.gate")


class GateLanes:
    """One per gate. `close` it."""

    def __init__(self, gate_id: GateId, lanes: Sequence[HostedLanes], clock: Clock | None = None) -> None:
        """`clock` is that of the lanes' machine; without it no route can be ordered."""
        self._clock = clock
        self._gate_id = gate_id
        self._lanes = lanes
        self._collecting: tuple[int, asyncio.Task[list[JournalEvent]]] | None = None
        self._outdated: set[asyncio.Task[Any]] = set()  # whose answers nobody new waits for

    async def routes(self) -> list[Route | None]:
        """Where they decide; None: away."""
        return await asyncio.gather(*(quietly(lanes.route) for lanes in self._lanes))

    async def collect(self, term: int) -> list[JournalEvent]:
        """Fence them for `term`; what they did. One asking at a time serves everybody who asks for the same term. Raises
        LedgerUnavailable when it is not known of one of them."""
        if self._collecting is None or self._collecting[0] != term or self._collecting[1].done():
            tick_ns = self._tick_ns()
            asking = self._ask(lambda lanes: lanes.fence(term, tick_ns))
            self._collecting = (term, asyncio.create_task(asking, name="collecting"))
        return await asyncio.shield(self._collecting[1])

    async def hold(self, term: int) -> list[JournalEvent]:
        """Let them decide nowhere; what they did. Raises LedgerUnavailable when it is not known of one of them."""
        tick_ns = self._tick_ns()
        return await self._ask(lambda lanes: lanes.hold(term, tick_ns))

    async def resume(self, term: int, whole: int) -> None:
        """Let those that hold still in `term` decide on the ledger: their gate is away."""
        await asyncio.gather(*(quietly(partial(lanes.resume, term, whole)) for lanes in self._lanes))

    async def take_route(self, route: Route) -> None:
        """Tell where to decide; one that is away asks when it starts."""
        # What was collected before must not serve who asks for the same term after they went on elsewhere.
        if self._collecting is not None:
            outdated, self._collecting = self._collecting[1], None
            self._outdated.add(outdated)
            outdated.add_done_callback(self._forget)
        tick_ns = self._tick_ns()
        await asyncio.gather(*(quietly(partial(lanes.take_route, route, tick_ns)) for lanes in self._lanes))

    async def end_hung(self) -> None:
        """What a frozen process did, nobody can read while it lives: for its sake no gate of the site could decide."""
        for lanes in self._lanes:
            if await quietly(lanes.route) is None:
                _log.error("gate %s: lanes that do not answer are ended, as their tickets are needed", self._gate_id)
                await quietly(lanes.end)

    async def close(self) -> None:
        """End what is being asked."""
        tasks = [*self._outdated, *([self._collecting[1]] if self._collecting is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tick_ns(self) -> int:
        return self._clock.now().tick_ns if self._clock is not None else 0

    def _forget(self, outdated: asyncio.Task[Any]) -> None:
        self._outdated.discard(outdated)
        if not outdated.cancelled() and isinstance(outdated.exception(), LedgerUnavailable):
            _log.debug("gate %s: lanes did not hand over: %s", self._gate_id, outdated.exception())

    async def _ask(self, ask: Callable[[HostedLanes], Awaitable[Handover]]) -> list[JournalEvent]:
        answers = await asyncio.gather(*(ask(lanes) for lanes in self._lanes))
        return [event for answer in answers for event in answer.events]
