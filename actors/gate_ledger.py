"""How a gate stands with the ledger: watches it, takes over with the other gates when it is lost, gives back when it returns.

    LEDGER ──lost──► HELD ──every gate handed over──► HOME ──journal holds──► HELD ──resume──► LEDGER
      ▲                │                               │
      │                └──others have it, or are away──┴──► ALONE ──whole again, replayed──► LEDGER
      └──the loss was none (every gate sees it whole)

Promise: nobody decides on a ticket in two places. Lanes are fenced off the ledger before a home decides; a home decides once
every gate has told what its lanes did; the ledger is resumed only in the term in which all gates held still for it. A gate
that is not sure of that decides nothing, or by the site's policy for a gate that is cut off.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from actors.gate_replica import GateReplica
from actors.ledger_links import Handover, HostedLanes, JournalLink, PeerGate, Route, Standing
from actors.ledger_probe import LedgerProbe
from actors.tasks import lifelong
from resort.access.entitlement import TicketRecord, Usage
from resort.access.home import home_gate
from resort.clock import Clock, Moment
from resort.errors import DatabaseUnavailable, LedgerUnavailable
from resort.ids import GateId, LaneId, TicketId
from resort.messages import JournalEvent, TicketChanged, TicketEvent
from resort.ports import Conflict, LaneMemory
from resort.site import Site
from storage.replica_source import SQL_VERSION, ReplicaSource

WATCH_S = 0.05
PEER_S = 0.3
LOSE_MS = 900.0  # others that have the ledger, or do not answer, for so long: this gate is cut off
HUNG_MS = 3_000.0  # an own lane's process that answers nothing for so long, while its tickets are needed, is ended
THAW_MS = 4_000.0  # the journal that holds the gates still for longer has failed
LEASE_MS = 2_500.0  # a home that reaches not every gate for so long may be cut off itself
REJOIN_EVERY_MS = 500.0
Replay = Callable[[Sequence[JournalEvent]], Awaitable[None]]
T = TypeVar("T")
_log = logging.getLogger("snowgate.gate")


class GateLedger:
    """One per gate actor. `peers` are the other gates; `lanes` the processes that host this gate's lanes, whose spools are
    read from disk when they are dead (that is their link's business)."""

    def __init__(
        self,
        site: Site,
        gate_id: GateId,
        source: ReplicaSource,
        peers: dict[GateId, PeerGate],
        lanes: Sequence[HostedLanes],
        journal: JournalLink,
        replay: Replay,
        clock: Clock,
        *,
        handover: bool = True,
    ) -> None:
        """`handover` False (drills' control runs only): take over at once, asking nobody what is open."""
        self.route = Route("held", 0)
        self.detail = "starting"
        self._site = site
        self._gate_id = gate_id
        self._gates = [gate_id, *peers]
        self._source = source
        self._peers = peers
        self._lanes = lanes
        self._journal = journal
        self._replay = replay
        self._clock = clock
        self._handover = handover
        self._wake = asyncio.Event()
        self._replica = GateReplica(site, source, clock, self._ledger_term, self._wake.set)
        self._ready = False  # every gate handed over in this term
        self._returning = False  # held still for the journal, which gives the tickets back
        self._since = self._left = clock.now()  # of the present route; when the ledger was left
        self._heard_all = clock.now()  # all peers answered then
        self._rejoined: Moment | None = None
        self._collecting: tuple[int, asyncio.Task[list[JournalEvent]]] | None = None
        self._probe = LedgerProbe(source)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to watch and to follow."""
        self._tasks = [lifelong(self._watch_for_ever(), "ledger watch"), lifelong(self._replica.follow_for_ever(), "replica")]

    async def close(self) -> None:
        """Stop both, and what they asked for."""
        tasks: list[asyncio.Task[Any]] = [*self._tasks]
        tasks += [self._collecting[1]] if self._collecting is not None else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._probe.close()
        await self._source.close()

    def standing(self) -> Standing:
        """How the gate stands."""
        return Standing(self.route, self._ready, len(self._replica.tickets), self.detail)

    @property
    def follows(self) -> bool:
        """Whether its copy of the tickets is good to take over with."""
        return self._replica.current

    # ---- for lanes (HomeGate)

    async def lost(self, route: Route) -> Route:
        """See the link. Answers as soon as the gate has looked for itself, with the route that holds then."""
        if route == self.route:
            self._wake.set()
        return self.route

    async def find(self, route: Route, ticket_id: TicketId) -> TicketRecord | None:
        """See the link."""
        self._check_serves(route)
        record = self._replica.tickets.find(ticket_id)
        if record is None:
            with contextlib.suppress(DatabaseUnavailable):
                sold = await self._source.ticket_from_sql(ticket_id)
                if sold is not None:
                    self._replica.tickets.learn_sold(ticket_id, SQL_VERSION, *sold)
            self._check_serves(route)
            record = self._replica.tickets.find(ticket_id)
        return record

    async def commit(self, route: Route, event: TicketEvent, expected: TicketRecord, usage: Usage) -> Conflict | None:
        """See the link. No await: the answer is of one piece with the check."""
        self._check_serves(route)
        return self._replica.tickets.commit(event, expected, usage)

    async def memory(self, lane_id: LaneId) -> LaneMemory:
        """See the link."""
        if not self._replica.current:
            raise LedgerUnavailable("The gate's copy of the tickets", "it is being read")
        return self._replica.tickets.memory(lane_id)

    def change(self, changes: Sequence[TicketChanged]) -> None:
        """Take new states of tickets, also while the ledger is away."""
        for change in changes:
            self._replica.tickets.change(change)

    def _check_serves(self, route: Route) -> None:
        if route.term != self.route.term or not self._ready or (route.kind == "alone" and self.route.kind != "alone"):
            raise LedgerUnavailable("The home gate of this ticket", "it is not ready to decide")

    # ---- for gates and the journal (PeerGate)

    async def term(self) -> int:
        """See the link."""
        return self.route.term

    async def collect(self, term: int, home: GateId) -> Handover:
        """See the link."""
        if term < self.route.term or (term == self.route.term and self.route.kind == "ledger"):
            raise LedgerUnavailable("The gate", f"it is in term {self.route.term}")
        if self.route.kind == "ledger" and await self._probe.term() is not None:
            return Handover(whole=True)
        if term > self.route.term or self.route.kind == "alone":
            self._enter(Route("held", term), "the ledger is lost")
            self._wake.set()
        events = await self._collect_own(term)
        return Handover([event for event in events if _is_home(event, home, self._gates)])

    async def hold(self, term: int) -> Handover:
        """See the link. Homes go on answering what is under way at other gates' lanes, which wait for it before they hold."""
        if self.route.kind != "home" or term != self.route.term:
            raise LedgerUnavailable("The gate", f"it decides at {self.route.kind} in term {self.route.term}")
        ready = self._ready
        self._enter(Route("held", term), "the tickets go back to the ledger")
        self._ready, self._returning = ready, True
        return Handover(await self._ask_lanes(lambda lanes: lanes.hold(term)))

    async def resume(self, term: int) -> None:
        """See the link."""
        if self.route == Route("held", term):
            await self._go(Route("ledger", term), "")

    async def release(self, term: int) -> None:
        """See the link."""
        if self.route == Route("held", term) and self._returning:
            # A new term: what the journal may still finish for the old one will not be taken.
            self._enter(Route("held", term + 1), "the ledger is away")
            self._wake.set()

    # ---- watching

    async def _watch_for_ever(self) -> None:
        await self._begin()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_S):
                    await self._wake.wait()
            self._wake.clear()
            whole = await self._probe.term()
            match self.route.kind:
                case "ledger":
                    if whole is None or whole != self.route.term:
                        self._enter(Route("held", self.route.term + 1), "the ledger is lost")
                        await self._lose(whole)
                case "held":
                    await self._held(whole)
                case "home":
                    await self._at_home(whole)
                case "alone":
                    await self._alone(whole)

    async def _begin(self) -> None:
        """A gate that starts knows nothing: the ledger is whole if no other gate is in a newer term."""
        whole = await self._probe.term()
        others: list[PeerGate | HostedLanes] = [*self._peers.values(), *self._lanes]
        terms = await asyncio.gather(*(_quietly(other.term()) for other in others))
        newest = max((term for term in terms if term is not None), default=0)
        if whole is not None and newest <= whole:
            await self._go(Route("ledger", whole), "")
        else:
            self._enter(Route("held", max(newest, 1, (whole or 0) + 1)), "the ledger is away")

    async def _lose(self, whole: int | None) -> None:
        """Take over: fence and ask everybody; decide at home once all have answered, alone after a while without them."""
        term = self.route.term
        peers = list(self._peers.values()) if self._handover else []
        own, answers = await asyncio.gather(
            _quietly(self._collect_own(term)),
            asyncio.gather(*(_quietly(peer.collect(term, self._gate_id)) for peer in peers)),
        )
        if self.route != Route("held", term):
            return
        if own is not None and all(answer is not None and not answer.whole for answer in answers):
            missed = await self._missed()
            if missed is None or self.route != Route("held", term):
                return
            events = [event for event in [*missed, *own] if _is_home(event, self._gate_id, self._gates)]
            for answer in answers:
                events += answer.events if answer is not None else []
            if self._handover:
                self._replica.take_over(events)
            self._ready = True
            self._heard_all = self._clock.now()
            await self._go(Route("home", term), "the gates decide among themselves")
        elif whole is not None and any(answer is not None and answer.whole for answer in answers):
            await self._return(whole)  # a hiccup that not everybody saw: the ledger goes on, and nobody can take over from it
        elif self._clock.now().ms_since(self._since) > LOSE_MS:
            await self._go_alone(own)
            if own is None and self._clock.now().ms_since(self._since) > HUNG_MS:
                await self._end_hung()

    async def _go_alone(self, own: list[JournalEvent] | None) -> None:
        term = self.route.term
        missed = await self._missed()
        if own is None or not self._replica.current or self.route != Route("held", term):
            return  # not even its own lanes or tickets are known
        self._replica.take_over([*(missed or []), *own])
        self._ready = self._site.offline.cut_off == "admit"
        policy = "it admits by its own copy of the tickets" if self._ready else "it admits nobody"
        await self._go(Route("alone", term), f"cut off from the ledger and the other gates: {policy}")

    async def _held(self, whole: int | None) -> None:
        if self._returning:
            if whole is not None and whole == self.route.term:
                await self._go(Route("ledger", whole), "")  # the journal finished, and its word to us was lost
                return
            if self._probe.answered and self._clock.now().ms_since(self._since) < THAW_MS:
                return
            await self.release(self.route.term)  # lost once more, or the journal failed: guests wait all the while
        newest = await asyncio.gather(*(_quietly(peer.term()) for peer in self._peers.values()))
        if (highest := max((term for term in newest if term is not None), default=0)) > self.route.term:
            self._enter(Route("held", highest), "the ledger is lost")
        await self._lose(whole)

    async def _at_home(self, whole: int | None) -> None:
        now = self._clock.now()
        terms = await asyncio.gather(*(_quietly(peer.term()) for peer in self._peers.values()))
        if all(term is not None for term in terms):
            self._heard_all = now
        if any(term is not None and term > self.route.term for term in terms) or (
            now.ms_since(self._heard_all) > LEASE_MS and self.route.kind == "home"
        ):
            self._enter(Route("held", max([self.route.term, *(term or 0 for term in terms)])), "a gate is away")
            return
        if self._probe.answered and (self._rejoined is None or now.ms_since(self._rejoined) > REJOIN_EVERY_MS):
            self._rejoined = now
            await _quietly(self._journal.rejoin(self.route.term))

    async def _alone(self, whole: int | None) -> None:
        terms = await asyncio.gather(*(_quietly(peer.term()) for peer in self._peers.values()))
        if whole is not None and all(term is None or term <= whole for term in terms):
            await self._return(whole)
        elif all(term is not None and (whole is not None or term >= self.route.term) for term in terms):
            # Everybody is there again. Those who still decide on the ledger have an older term: then this gate alone has lost
            # it. Else take over together, or find out together that it is well.
            self._enter(Route("held", max([self.route.term, *(term or 0 for term in terms)])), "the ledger is lost")

    async def _return(self, whole: int) -> None:
        """Back to a ledger that others went on with: what was done here goes into it first."""
        self._enter(Route("held", self.route.term), "returning to the ledger")
        try:
            events = await self._ask_lanes(lambda lanes: lanes.hold(self.route.term))
            await self._replay(events)
        except LedgerUnavailable as error:
            _log.warning("gate %s cannot return to the ledger yet: %s", self._gate_id, error.detail)
            return
        await self._go(Route("ledger", whole), "")

    # ---- parts

    def _ledger_term(self) -> int | None:
        return self.route.term if self.route.kind == "ledger" else None

    async def _missed(self) -> list[TicketEvent] | None:
        """What the gate's copy lacks beside what the lanes' spools have; None: the copy is not fit to decide on."""
        try:
            if self._replica.current:
                return await self._replica.missed(self._left)
            await self._replica.read_sql()
        except DatabaseUnavailable as error:
            self.detail = f"the ledger is lost, and SQL as well: {error.detail}"
            return None
        return []

    def _enter(self, route: Route, detail: str) -> None:
        if (route.kind, route.term) != (self.route.kind, self.route.term):
            _log.warning("gate %s: %s in term %s: %s", self._gate_id, route.kind, route.term, detail)
        now = self._clock.now()
        if self.route.kind == "ledger" != route.kind:
            self._left = now
        self.route, self.detail, self._since = route, detail, now
        self._ready = self._returning = False

    async def _go(self, route: Route, detail: str) -> None:
        """Take a route in which lanes decide, and tell them; one that is away asks when it starts."""
        ready = self._ready
        self._enter(route, detail)
        self._ready = ready and route.kind in ("home", "alone")
        if route.kind == "ledger":
            self._replica.leave()
        await asyncio.gather(*(_quietly(lanes.take_route(route)) for lanes in self._lanes))

    async def _collect_own(self, term: int) -> list[JournalEvent]:
        """What the own lanes did; one asking at a time serves everybody who asks for the same term."""
        if self._collecting is None or self._collecting[0] != term or self._collecting[1].done():
            asking = self._ask_lanes(lambda lanes: lanes.fence(term))
            self._collecting = (term, asyncio.create_task(asking, name="collecting"))
        return await asyncio.shield(self._collecting[1])

    async def _end_hung(self) -> None:
        """What a frozen process did, nobody can read while it lives: for its sake no gate of the site could decide."""
        for lanes in self._lanes:
            if await _quietly(lanes.term()) is None:
                _log.error("gate %s: lanes that do not answer are ended, as their tickets are needed", self._gate_id)
                await _quietly(lanes.end())

    async def _ask_lanes(self, ask: Callable[[HostedLanes], Awaitable[Handover]]) -> list[JournalEvent]:
        answers = await asyncio.gather(*(ask(lanes) for lanes in self._lanes))
        return [event for answer in answers for event in answer.events]


def _is_home(event: JournalEvent, home: GateId, gates: Sequence[GateId]) -> bool:
    return isinstance(event, TicketEvent) and event.ticket_id is not None and home_gate(event.ticket_id, gates) == home


async def _quietly(call: Awaitable[T]) -> T | None:
    """The answer, None when who was asked is away."""
    try:
        async with asyncio.timeout(PEER_S):
            return await call
    except (LedgerUnavailable, TimeoutError):
        return None
