"""What lanes, gates and the journal say to each other: orders, and about the ledger routes, handovers, and who can be called.

Only shapes. A `Route` says where a lane decides:

- `ledger`: at the central ledger, the normal case;
- `home`: at each ticket's home gate, as the central ledger is lost to all;
- `held`: nowhere for a moment, as tickets are being handed over;
- `alone`: at its own gate, which is cut off, or nowhere if the site's policy says so.

A `term` counts the losses of the ledger; answers for another term are not taken.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from resort.access.entitlement import TicketRecord, Usage
from resort.access.lane_messages import LaneMode
from resort.ids import GateId, LaneId, TicketId
from resort.messages import JournalEvent, TicketEvent
from resort.ports import AdmissionLedger, Conflict, LaneMemory
from resort.site import LaneClass

RouteKind = Literal["ledger", "home", "held", "alone"]


class Route(msgspec.Struct, frozen=True):
    """Where lanes decide, since which loss of the ledger."""

    kind: RouteKind
    term: int


class Handover(msgspec.Struct, frozen=True):
    """What lanes did and SQL may not know yet. `whole` (of a gate): no handover, the ledger answers here as ever."""

    events: list[JournalEvent] = []
    whole: bool = False


class Standing(msgspec.Struct, frozen=True):
    """How a gate stands with the ledger; `ready` tells that it decides on the tickets it is the home of."""

    route: Route
    ready: bool
    tickets: int
    detail: str = ""


class GateOrders(msgspec.Struct, frozen=True):
    """What a gate wants of its lanes, as the answer to their reports."""

    modes: dict[str, LaneMode]
    route: Route
    policies: dict[str, frozenset[LaneClass]] = {}  # whose tickets lanes admit besides their own; others: nobody's


class CentralLedger(AdmissionLedger, Protocol):
    """The central ledger as lanes use it."""

    def abandon(self) -> None:
        """Fail every call under way at once, with LedgerUnavailable: nobody will take its answer."""
        ...

    async def stored(self, lanes: Sequence[LaneId]) -> dict[LaneId, int]:
        """The highest number of each lane's events up to which SQL has them all. Raises LedgerUnavailable."""
        ...


class HomeGate(Protocol):
    """A gate as lanes use it. Every call raises LedgerUnavailable when the gate is away, not ready or in another term."""

    async def lost(self, route: Route) -> Route:
        """The ledger does not answer on this route; answers where to decide now."""
        ...

    async def find(self, route: Route, ticket_id: TicketId) -> TicketRecord | None:
        """The ticket as it stands at the gate."""
        ...

    async def commit(self, route: Route, event: TicketEvent, expected: TicketRecord, usage: Usage) -> Conflict | None:
        """Compare and set at the gate."""
        ...

    async def memory(self, lane_id: LaneId) -> LaneMemory:
        """What the gate knows of a lane."""
        ...


class PeerGate(Protocol):
    """A gate as other gates and the journal use it. Raises LedgerUnavailable when it is away."""

    async def collect(self, term: int, home: GateId, least: int) -> Handover:
        """Fence the gate's lanes off the ledger for `term`; what they did to tickets at home at `home`. Or `whole`, unless who
        asks cannot go back to the ledger as it is: that takes none for whole that came back in a term before `least`."""
        ...

    async def route(self, asker: GateId | None = None) -> Route:
        """Where the gate lets its lanes decide. A gate says who it is when it asks: that it was answered is its lease."""
        ...

    async def hold(self, term: int, without: Sequence[GateId] = ()) -> Handover:
        """Let the gate's lanes decide nowhere until `resume` or for a few seconds; everything they did. Not while a gate
        `without` which the tickets are to be given back may still be a home."""
        ...

    async def resume(self, term: int, whole: int) -> None:
        """The ledger is whole again, in the term `whole`: let the lanes that hold still in `term` decide on it."""
        ...

    async def keep(self, term: int) -> None:
        """The journal is still at it: go on holding still."""
        ...

    async def release(self, term: int) -> None:
        """It came to nothing: decide among the gates as before, in a new term."""
        ...


class HostedLanes(Protocol):
    """One lane process as its gate uses it. Raises LedgerUnavailable when it is away."""

    async def fence(self, term: int, tick_ns: int) -> Handover:
        """Decide no more on the ledger; what the lanes did and SQL may not know. `tick_ns` of an order is when the gate gave
        it, by their machine's clock: a route that was ordered before something else, and comes after it, is not taken."""
        ...

    async def hold(self, term: int, tick_ns: int) -> Handover:
        """Decide nowhere; wait for what is under way, answer everything SQL may not know."""
        ...

    async def take_route(self, route: Route, tick_ns: int) -> None:
        """Decide there from now on: the gate's word is all that counts."""
        ...

    async def resume(self, term: int, whole: int) -> None:
        """The ledger is whole again, in the term `whole`: decide on it, if they hold still in `term`. For lanes whose gate is
        away."""
        ...

    async def end(self) -> None:
        """End a process that answers nobody and still holds its spool, so that what it did can be read. It is started again."""
        ...

    async def route(self) -> Route:
        """Where the lanes decide."""
        ...


class JournalLink(Protocol):
    """The journal as lanes and gates use it. Raises LedgerUnavailable when it is away."""

    async def take_spooled(self, events: Sequence[JournalEvent]) -> dict[LaneId, int]:
        """Store events in SQL past the ledger; answers the highest number stored for each lane."""
        ...

    async def rejoin(self, term: int) -> None:
        """The ledger that was lost in `term` can be reached again: rebuild it and let the gates resume. Returns at once."""
        ...
