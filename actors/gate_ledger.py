"""How a gate stands with the ledger: watches it, takes over with the other gates when it is lost, gives back when it returns.

    LEDGER ──lost──► HELD ──every gate handed over──► HOME ──journal holds──► HELD ──resume──► LEDGER
      ▲                │                               │
      │                └──others have it, or are away──┴──► ALONE ──whole again, replayed──► LEDGER
      └──the loss was none, and this gate has not handed over

Promise: nobody decides on a ticket in two places. Lanes are fenced off the ledger before a home decides; a home decides once
every gate has told what its lanes did. Who has told, was at home or decided on the ledger in a term takes no ledger for whole
that came back in an earlier one (`_least`): so nobody is on the ledger while somebody may be at home, however late an answer
is. The ledger comes back in the term in which all gates held still for it. A gate that is not sure of that decides nothing, or
by the site's policy for a gate that is cut off.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from actors.gate_lanes import GateLanes
from actors.gate_peers import GatePeers, any_at_ledger, highest_term, quietly
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
LOSE_MS = 900.0  # others that have the ledger, or do not answer, for so long: this gate is cut off
START_MS = 5_000.0  # a gate that starts waits so long for the others to answer
HUNG_MS = 3_000.0  # an own lane's process that answers nothing for so long, while its tickets are needed, is ended
THAW_MS = 4_000.0  # the journal that holds the gates still for longer has failed
LEASE_MS = 2_500.0  # a home that reaches not every gate for so long may be cut off itself; under `rejoin.AWAY_MS`
REJOIN_EVERY_MS = 500.0
Replay = Callable[[Sequence[JournalEvent]], Awaitable[None]]
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
        self._source = source
        self._peers = GatePeers(gate_id, peers)
        self._lanes = GateLanes(gate_id, lanes, clock)
        self._journal = journal
        self._replay = replay
        self._clock = clock
        self._handover = handover
        self._wake = asyncio.Event()
        self._replica = GateReplica(site, source, clock, self._ledger_term, self._wake.set)
        self._ready = False  # every gate handed over in this term
        self._least = 0  # the term that a ledger must have come back in to be whole
        self._returning = False  # held still for the journal, which gives the tickets back
        self._since = self._left = clock.now()  # of the present route; when the ledger was left
        self._heard_all = clock.now()  # all peers answered then
        self._asked_by: dict[GateId, Moment] = {}  # when other gates asked how this one stands
        self._rejoined: Moment | None = None
        self._probe = LedgerProbe(source)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to watch and to follow."""
        self._tasks = [lifelong(self._watch_for_ever(), "ledger watch"), lifelong(self._replica.follow_for_ever(), "replica")]

    async def close(self) -> None:
        """Stop both, and what they asked for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._lanes.close()
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
        # The lease is looked at here too: a process that was frozen must not decide before it has looked around.
        cut_off = self.route.kind != "alone" and len(self._peers) and self._clock.now().ms_since(self._heard_all) > LEASE_MS
        stranger = route.term != self.route.term or (route.kind == "alone" and self.route.kind != "alone")
        if stranger or cut_off or not self._ready:
            raise LedgerUnavailable("The home gate of this ticket", "it is not ready to decide")

    # ---- for gates and the journal (PeerGate)

    async def collect(self, term: int, home: GateId, least: int) -> Handover:
        """See the link. The answer binds: from then on only a ledger that came back in this term or a later one is whole."""
        self._check_in(term)
        at = self.route
        if at.kind == "ledger" and least <= at.term and await self._probe.term() == at.term:
            return Handover(whole=True)
        self._check_in(term)
        if term > self.route.term or self.route.kind == "alone":
            self._enter(Route("held", term), "the ledger is lost")
            self._wake.set()
        events = await self._lanes.collect(term)
        if self.route.term != term or self.route.kind not in ("held", "home") or self._returning:
            raise LedgerUnavailable("The gate", "it has moved on meanwhile")
        self._least = max(self._least, term)
        return Handover([event for event in events if _is_home(event, home, self._peers.gate_ids)])

    def tell_route(self, asker: GateId | None) -> Route:
        """See the link."""
        if asker is not None:
            self._asked_by[asker] = self._clock.now()
        return self.route

    async def hold(self, term: int, without: Sequence[GateId] = ()) -> Handover:
        """See the link. Homes go on answering what is under way at other gates' lanes, which wait for it before they hold."""
        at, now = self.route, self._clock.now()
        for gate_id in without:
            if (asked := self._asked_by.get(gate_id)) is not None and now.ms_since(asked) <= LEASE_MS:
                raise LedgerUnavailable("The gate", f"gate {gate_id} is away for the journal only")
        if not (at == Route("home", term) or (at.kind == "alone" and at.term <= term)):
            raise LedgerUnavailable("The gate", f"it decides at {at.kind} in term {at.term}")
        ready = self._ready and at.kind == "home"
        held = self._enter(Route("held", term), "the tickets go back to the ledger")
        self._ready, self._returning = ready, True
        events = await self._lanes.hold(term)
        if self.route is not held:
            raise LedgerUnavailable("The gate", "it has moved on meanwhile")
        return Handover(events)

    async def resume(self, term: int, whole: int) -> None:
        """See the link."""
        if self.route == Route("held", term) and self._returning:
            await self._go(Route("ledger", whole), "")

    async def keep(self, term: int) -> None:
        """See the link."""
        if self.route == Route("held", term) and self._returning:
            self._since = self._clock.now()

    async def release(self, term: int) -> None:
        """See the link."""
        if self.route == Route("held", term) and self._returning:
            # A new term: in it the gates can hand over once more, and then nobody takes what the journal may still finish.
            self._enter(Route("held", term + 1), "the ledger is away")
            self._wake.set()

    def _check_in(self, term: int) -> None:
        """Whether to hand over in this term: not for one that is over, and not what is being given back."""
        if term < self.route.term or (term == self.route.term and (self.route.kind == "ledger" or self._returning)):
            raise LedgerUnavailable("The gate", f"it is in term {self.route.term}")

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
                    if whole != self.route.term:
                        self._enter(Route("held", self.route.term + 1), "the ledger is lost")
                        await self._lose(whole)
                case "held":
                    await self._held(whole)
                case "home":
                    await self._at_home(whole)
                case "alone":
                    await self._alone(whole)

    async def _begin(self) -> None:
        """A gate that starts knows nothing, and the one that it was may have handed over. The ledger is whole if nobody knows
        of a newer term and nobody can be at home in one: its lanes or another gate are on the ledger, or all gates answer."""
        started, began = self.route, self._clock.now()
        while True:
            whole = await self._probe.term()
            peers, lanes = await asyncio.gather(self._peers.routes(), self._lanes.routes())
            newest = max((_least_after(route, whole) for route in (*peers, *lanes) if route is not None), default=0)
            there = Route("ledger", whole or 0)
            sure = None not in peers or there in peers or set(lanes) == {there} or not self._handover
            latest = await self._latest() if whole is None else None
            if self.route is not started:
                return
            if whole is not None and newest <= whole and sure:
                return await self._go(there, "")
            waited = self._clock.now().ms_since(began) > START_MS
            if newest > (whole or 0) or latest is not None or (whole is not None and waited):
                break
            await asyncio.sleep(WATCH_S)  # others are starting as well
        term = max(newest, (whole or latest or 0) + 1)
        self._least = max(self._least, newest if newest > (whole or 0) else term)
        self._enter(Route("held", term), "the ledger is away")

    async def _latest(self) -> int | None:
        """The term of the newest whole ledger that SQL knows of; None while SQL is away."""
        try:
            return await self._source.latest_term()
        except DatabaseUnavailable:
            return None

    async def _lose(self, whole: int | None) -> None:
        """Take over: fence and ask everybody; decide at home once all have answered, alone after a while without them."""
        if whole is not None and whole >= self._least:
            return await self._return(whole)  # nobody can have taken over without this gate, which has not handed over
        held, began = self.route, self._clock.now()
        own, answers = await asyncio.gather(
            quietly(partial(self._lanes.collect, held.term)),
            self._peers.collect(held.term, self._least) if self._handover else _no_answers(),
        )
        if self.route is not held:
            return
        if own is not None and all(answer is not None and not answer.whole for answer in answers):
            missed = await self._missed()
            if missed is None or self.route is not held or self._clock.now().ms_since(began) > LEASE_MS:
                return
            events = [event for event in [*missed, *own] if _is_home(event, self._gate_id, self._peers.gate_ids)]
            for answer in answers:
                events += answer.events if answer is not None else []
            if self._handover:
                self._replica.take_over(events)
            self._ready = True
            self._heard_all = began
            await self._go(Route("home", held.term), "the gates decide among themselves")
        elif self._clock.now().ms_since(self._since) > LOSE_MS:
            await self._go_alone(own)
            if own is None and self._clock.now().ms_since(self._since) > HUNG_MS:
                await self._lanes.end_hung()

    async def _go_alone(self, own: list[JournalEvent] | None) -> None:
        held = self.route
        missed = await self._missed()
        if own is None or not self._replica.current or self.route is not held:
            return  # not even its own lanes or tickets are known
        self._replica.take_over([*(missed or []), *own])
        self._ready = self._site.offline.cut_off == "admit"
        policy = "it admits by its own copy of the tickets" if self._ready else "it admits nobody"
        await self._go(Route("alone", held.term), f"cut off from the ledger and the other gates: {policy}")

    async def _held(self, whole: int | None) -> None:
        if self._returning:
            if whole is not None and whole >= self.route.term:
                await self._go(Route("ledger", whole), "")  # the journal finished, and its word to us was lost
                return
            if self._probe.answered and self._clock.now().ms_since(self._since) < THAW_MS:
                return
            await self.release(self.route.term)  # lost once more, or the journal failed: guests wait all the while
        held = self.route
        highest = highest_term(await self._peers.routes())
        if self.route is not held:
            return
        if highest > held.term:
            self._enter(Route("held", highest), "the ledger is lost")
        await self._lose(whole)

    async def _at_home(self, whole: int | None) -> None:
        home, now = self.route, self._clock.now()
        routes = await self._peers.routes()
        if self.route is not home:
            return
        if None not in routes:
            self._heard_all = now
        back = whole is not None and whole >= home.term  # given back without this gate
        if back or highest_term(routes) > home.term or any_at_ledger(routes) or now.ms_since(self._heard_all) > LEASE_MS:
            self._enter(Route("held", max(home.term, highest_term(routes))), "a gate is away")
        else:
            await self._ask_journal()

    async def _alone(self, whole: int | None) -> None:
        if whole is not None and whole >= self._least:
            return await self._return(whole)
        alone = self.route
        routes = await self._peers.routes()
        if self.route is not alone:
            return
        if None not in routes and (whole is not None or not any_at_ledger(routes)):
            # Everybody is there again: take over together. Not from a ledger that only this gate does not see.
            self._enter(Route("held", max(alone.term, highest_term(routes))), "the ledger is lost")
        else:
            await self._ask_journal()

    async def _ask_journal(self) -> None:
        """Have the tickets given back to a ledger that answers, and that is not whole any more."""
        now = self._clock.now()
        if self._probe.answered and (self._rejoined is None or now.ms_since(self._rejoined) > REJOIN_EVERY_MS):
            self._rejoined = now
            await quietly(partial(self._journal.rejoin, self.route.term))

    async def _return(self, whole: int) -> None:
        """Back to a ledger that others went on with: what was done here goes into it first."""
        held = self.route if self.route.kind == "held" else self._enter(Route("held", self.route.term), "back to the ledger")
        try:
            events = await self._lanes.hold(held.term)
            await self._replay(events)
        except LedgerUnavailable as error:
            _log.warning("gate %s cannot return to the ledger yet: %s", self._gate_id, error.detail)
            if self.route is held and self._clock.now().ms_since(self._since) > HUNG_MS:
                await self._lanes.end_hung()
            return
        if self.route is held and whole >= self._least:  # else somebody may take over meanwhile, by what it handed over
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

    def _enter(self, route: Route, detail: str) -> Route:
        if (route.kind, route.term) != (self.route.kind, self.route.term):
            _log.warning("gate %s: %s in term %s: %s", self._gate_id, route.kind, route.term, detail)
        now = self._clock.now()
        if self.route.kind == "ledger" != route.kind:
            self._left = now
        self.route, self.detail, self._since = route, detail, now
        self._ready = self._returning = False
        return route

    async def _go(self, route: Route, detail: str) -> None:
        """Take a route in which lanes decide, and tell them; one that is away asks when it starts."""
        ready = self._ready
        self._enter(route, detail)
        self._ready = ready and route.kind in ("home", "alone")
        if route.kind in ("ledger", "home"):
            self._least = max(self._least, route.term)
        if route.kind == "ledger":
            self._replica.leave()
        await self._lanes.take_route(route)


def _is_home(event: JournalEvent, home: GateId, gates: Sequence[GateId]) -> bool:
    return isinstance(event, TicketEvent) and event.ticket_id is not None and home_gate(event.ticket_id, gates) == home


def _least_after(route: Route, whole: int | None) -> int:
    """The first term in which there may be homes, as far as somebody on this route tells."""
    return route.term + (route.kind == "ledger" and route.term != whole)


async def _no_answers() -> list[Handover | None]:
    return []
