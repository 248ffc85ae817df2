"""The ledger as the lanes of one process use it: the central one, or the gates while that is lost, and always the spool.

Promise: whatever a lane was told is stored, is on this machine's disk too until SQL has it. Order: a grant is spooled once the
ledger took it and before it is answered (so before the pulse); outcomes and other events are spooled first. An answer of the
central ledger that comes after the lanes were fenced off it counts as never given.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from actors.ledger_links import CentralLedger, Handover, HomeGate, Route
from actors.replay import replay
from actors.spool_keeper import SpoolKeeper
from resort.access.entitlement import TicketRecord, Usage
from resort.access.home import home_gate
from resort.access.lane_memory import remember
from resort.clock import Clock
from resort.errors import LedgerUnavailable, SpoolFull
from resort.ids import GateId, LaneId, TicketId
from resort.messages import GrantAnnulled, GrantIssued, GrantOutcome, JournalEvent, TicketEvent, TicketExited
from resort.ports import Conflict, LaneMemory

PATIENCE_MS = 700.0  # how long an operation may wait for the gates to take over
AGAIN_S = 0.02
ASK_AGAIN_MS = 250.0
HOLD_S = 0.6  # over the longest call that can be under way; who only waits is not waited for
T = TypeVar("T")
_log = logging.getLogger("snowgate.lane")


class LaneLedger:
    """`AdmissionLedger` with a way out. `gates` are all gates of the site, `own` the one of these lanes."""

    def __init__(
        self,
        central: CentralLedger,
        spool: SpoolKeeper,
        gates: dict[GateId, HomeGate],
        own: GateId,
        clock: Clock,
        route: Route,
    ) -> None:
        self.route = route
        self._central = central
        self._spool = spool
        self._gates = gates
        self._gate_ids = list(gates)
        self._own = gates[own]
        self._clock = clock
        self._moved = asyncio.Event()
        self._asked = clock.now()
        self._ordered_ns = 0  # when the newest order was given
        self._fences = 0  # how often the spool was handed over; what came back across one was not in it
        self._under_way = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._asking: asyncio.Task[None] | None = None

    # ---- the port

    async def find(self, ticket_id: TicketId) -> TicketRecord | None:
        """See the port."""
        route = self.route
        if route.kind == "ledger":  # the short way, without building what only a loss needs
            try:
                record = await self._central.find(ticket_id)
                if self.route is route:
                    return record
            except LedgerUnavailable:
                self._ask()
        with self._counted():
            return await self._routed(
                ticket_id,
                lambda: self._central.find(ticket_id),
                lambda gate, at: gate.find(at, ticket_id),
            )

    async def commit_grant(self, grant: GrantIssued, expected: TicketRecord | None, usage: Usage | None) -> Conflict | None:
        """See the port. Raises SpoolFull before anything was stored."""
        if grant.lane_seq > self._spool.last_seq(grant.lane_id):  # else it is told again, and in the spool already
            self._spool.check_room()
        with self._counted():
            told = grant

            def by_gate(gate: HomeGate, at: Route) -> Awaitable[Conflict | None]:
                nonlocal told
                told = msgspec.structs.replace(grant, decided_by="home" if at.kind == "home" else "alone")
                return self._at_gate(gate, at, told, expected, usage)

            conflict = await self._routed(grant.ticket_id, lambda: self._central.commit_grant(grant, expected, usage), by_gate)
            if conflict is None and told.lane_seq > self._spool.last_seq(told.lane_id):
                await self._spool.append([told])
            return conflict

    async def settle(self, outcome: GrantOutcome, expected: TicketRecord | None, usage: Usage | None) -> Conflict | None:
        """See the port."""
        return await self._spooled(
            outcome,
            lambda: self._central.settle(outcome, expected, usage),
            lambda gate, at: self._at_gate(gate, at, outcome, expected, usage),
        )

    async def amend(self, event: GrantAnnulled | TicketExited, expected: TicketRecord, usage: Usage) -> Conflict | None:
        """See the port."""
        return await self._spooled(
            event,
            lambda: self._central.amend(event, expected, usage),
            lambda gate, at: self._at_gate(gate, at, event, expected, usage),
        )

    async def append(self, events: Sequence[JournalEvent]) -> None:
        """See the port. While the central ledger is lost the spool alone has them."""
        with self._counted():
            await self._on_disk(events)
            await self._routed(None, lambda: self._central.append(events), lambda _gate, _at: _nothing())

    async def lane_memory(self, lane_id: LaneId) -> LaneMemory:
        """See the port. What the lane's spool has and a ledger may lack is told first: the process was killed in between."""
        own = [event for event in self._spool.unconfirmed() if event.lane_id == lane_id]
        await replay(self, own)
        with self._counted():
            memory = await self._routed(
                None, lambda: self._central.lane_memory(lane_id), lambda _gate, _at: self._own.memory(lane_id)
            )
        for event in own:
            memory = remember(memory, event)
        last_seq = max(memory.last_seq, self._spool.last_seq(lane_id))
        return msgspec.structs.replace(memory, last_seq=last_seq)

    # ---- what the gate orders

    async def fence(self, term: int, tick_ns: int = 0) -> Handover:
        """See `HostedLanes`."""
        self._ordered_ns = max(self._ordered_ns, tick_ns)
        self._fences += 1
        if self.route.term < term or self.route.kind in ("ledger", "held"):
            # Anew even if it is held already: what the gate answers to a question of before does not count any more.
            self._move(Route("held", max(term, self.route.term)))
        await self._spool.flushed()
        return Handover(self._spool.unconfirmed())

    async def hold(self, term: int, tick_ns: int = 0) -> Handover:
        """See `HostedLanes`."""
        self._ordered_ns = max(self._ordered_ns, tick_ns)
        self._move(Route("held", max(term, self.route.term)))
        async with asyncio.timeout(HOLD_S):
            await self._quiet.wait()
        await self._spool.flushed()
        return Handover(self._spool.unconfirmed())

    def resume(self, term: int, whole: int) -> None:
        """See `HostedLanes`."""
        if self.route == Route("held", term):
            self._move(Route("ledger", whole))

    def take_order(self, route: Route, tick_ns: int) -> None:
        """See `take_route` of `HostedLanes`."""
        if tick_ns >= self._ordered_ns:
            self._ordered_ns = tick_ns
            self.take_route(route)

    def take_route(self, route: Route) -> None:
        """Decide there from now on."""
        if route != self.route:
            self._move(route)

    def take_answer(self, asked_on: Route, route: Route) -> None:
        """The gate's answer to something asked while on `asked_on`; void if the gate has ordered something else since."""
        if self.route is asked_on:
            self.take_route(route)

    # ---- inside

    async def _routed(
        self,
        ticket_id: TicketId | None,
        centrally: Callable[[], Awaitable[T]],
        by_gate: Callable[[HomeGate, Route], Awaitable[T]],
    ) -> T:
        """Run where the route says, elsewhere when it changes, for at most `PATIENCE_MS`. Raises LedgerUnavailable. Call it
        counted: what only waits here for another route keeps nobody waiting in `hold`."""
        began = self._clock.now()
        while True:
            route, fences = self.route, self._fences
            try:
                if route.kind == "held":
                    raise LedgerUnavailable("The admission ledger", "it is being handed over")
                if route.kind == "ledger":
                    answer = await centrally()
                else:
                    home = self._own if route.kind == "alone" or ticket_id is None else self._home(ticket_id)
                    answer = await by_gate(home, route)
                if self._fences == fences:
                    return answer
                # Handed over meanwhile, without this: whoever decides now has to be asked. Asking twice does no harm.
            except LedgerUnavailable:
                if self._clock.now().ms_since(began) > PATIENCE_MS:
                    raise
            self._ask()
            self._end_one()
            try:
                await self._until_moved(route)
            finally:
                self._begin_one()

    async def _spooled(
        self,
        event: TicketEvent,
        centrally: Callable[[], Awaitable[Conflict | None]],
        by_gate: Callable[[HomeGate, Route], Awaitable[Conflict | None]],
    ) -> Conflict | None:
        with self._counted():
            await self._on_disk([event])
            return await self._routed(event.ticket_id, centrally, by_gate)

    async def _on_disk(self, events: Sequence[JournalEvent]) -> None:
        """Have what happened on disk, once however often it is told. A full disk does not keep it from the ledger."""
        new = [event for event in events if event.lane_seq > self._spool.last_seq(event.lane_id)]
        try:
            await self._spool.append(new)
        except SpoolFull as error:
            if self.route.kind != "ledger":
                raise LedgerUnavailable("The admission ledger", f"it is away, and {error.detail}") from error

    def _home(self, ticket_id: TicketId) -> HomeGate:
        return self._gates[home_gate(ticket_id, self._gate_ids)]

    async def _at_gate(
        self, gate: HomeGate, at: Route, event: TicketEvent, expected: TicketRecord | None, usage: Usage | None
    ) -> Conflict | None:
        if expected is None or usage is None:
            return None  # no ticket changes: the spool has the event
        return await gate.commit(at, event, expected, usage)

    def _ask(self) -> None:
        """Tell the own gate that the ledger does not answer; one question at a time."""
        now = self._clock.now()
        if self.route.kind != "ledger" and now.ms_since(self._asked) < ASK_AGAIN_MS:
            return  # the gate is at it, and tells by itself
        if self._asking is None or self._asking.done():
            self._asked = now
            self._asking = asyncio.create_task(self._ask_gate(self.route), name="ledger lost")

    async def _ask_gate(self, route: Route) -> None:
        try:
            self.take_answer(route, await self._own.lost(route))
        except LedgerUnavailable as error:
            _log.debug("the gate does not say where to decide: %s", error.detail)

    def _move(self, route: Route) -> None:
        if route.kind != self.route.kind:
            _log.info("lanes decide at: %s (term %s)", route.kind, route.term)
        if self.route.kind == "ledger":
            self._central.abandon()
        self.route = route
        self._moved.set()

    async def _until_moved(self, route: Route) -> None:
        self._moved.clear()
        if self.route is not route:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_S):
                await self._moved.wait()

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self._begin_one()
        try:
            yield
        finally:
            self._end_one()

    def _begin_one(self) -> None:
        self._under_way += 1
        self._quiet.clear()

    def _end_one(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._quiet.set()

    async def close(self) -> None:
        """End questions under way. The central ledger and the spool are closed by who opened them."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)


async def _nothing() -> None:
    return None
