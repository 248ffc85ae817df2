"""What one room needs of another, as Protocols. Implementations are wired in `orchestrator/cluster.py`.

Every method raises only errors of `resort/errors.py`. In-memory implementations for tests and rehearsal live in `sim/`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from typing import Literal, Protocol, runtime_checkable

import msgspec

from resort.access.entitlement import TicketRecord, Usage
from resort.clock import Moment
from resort.documents import DocumentSeen
from resort.feed import FeedFrame
from resort.figures import SiteFigures
from resort.heights import HeightBand
from resort.ids import LaneId, TicketId
from resort.messages import (
    GrantAnnulled,
    GrantIssued,
    GrantOutcome,
    JournalEvent,
    LaneChanged,
    PassageOut,
    PassageUncontrolled,
    TicketChanged,
    TicketExited,
)
from resort.people import PeopleCount
from resort.pricing import Quote, QuoteRequest


class TurnstileStatus(msgspec.Struct, frozen=True, gc=False):
    """One reading of a turnstile. Counters only grow (mod 2**32) until the controller loses its memory."""

    counter_in: int
    counter_out: int
    unlocked: bool  # the arm would turn now
    fault: bool
    tamper: bool
    fire_release: bool
    waiting: int | None  # persons in the approach zone, None without such a sensor
    firmware: int


ArmWay = Literal["entry", "exit_only"]  # a pulse unlocks the way in · pulses for entry are ignored


class Turnstile(Protocol):
    """One turnstile. Calls raise TurnstileUnreachable, and are never retried by the driver."""

    async def status(self) -> TurnstileStatus:
        """Read the controller's state now."""
        ...

    async def pulse_entry(self) -> None:
        """Unlock the arm for one entry. On an error the pulse may or may not have happened."""
        ...

    async def turn(self, way: ArmWay) -> None:
        """Set which way the arm can be unlocked; the way out stays free. Idempotent."""
        ...

    async def show(self, indicator: str) -> None:
        """Set the lamp to `idle`, `go` or `refused`."""
        ...

    async def close(self) -> None:
        """Give the connection back."""
        ...


@runtime_checkable
class Recalling(Protocol):
    """A turnstile whose counters may be narrower than 32 bits: it goes on from what its lane remembers."""

    def recall(self, counter_in: int | None, counter_out: int | None) -> None:
        """The counters up to which the lane knows every turn; None: nothing is known. Readings before it count for nothing."""
        ...


class Clip(msgspec.Struct, frozen=True):
    """A phrase to play: its name for logs (`already_used.cmn`), and a whole WAV file of 16-bit samples."""

    name: str
    wav: bytes


class Speaker(Protocol):
    """The loudspeaker of one lane."""

    async def play(self, clip: Clip, percent: int) -> None:
        """Play to the end, at `percent` of its loudness (0-100); cancel it to cut it off. Raises Unavailable."""
        ...

    async def close(self) -> None:
        """Free the device."""
        ...


class ResultLamp(Protocol):
    """A lamp of its own at one lane, with the colours of `resort.access.lamp_patterns`."""

    async def light(self, lit: frozenset[str]) -> None:
        """Light these colours and no others. Raises Unavailable."""
        ...

    async def close(self) -> None:
        """Free the device; the lamp stays as it is."""
        ...


class Sighting(msgspec.Struct, frozen=True):
    """What a code reader saw: a text, or (text None) something held up that cannot be read. `frame_at`: frame received."""

    text: str | None
    frame_at: Moment
    read_at: Moment


@runtime_checkable
class Audible(Protocol):
    """A device that knows when it was last there."""

    @property
    def last_heard(self) -> Moment | None:
        """When the device was last known to be there: now while it is connected and may be silent; None: never."""
        ...


class CameraView(msgspec.Struct, frozen=True, gc=False):
    """How well a code camera sees. Shares are 0 to 1; `sharpness` and `contrast` are shares of its brightness."""

    state: Literal["clear", "dark", "glare", "dull"]  # dull: nobody is there and the edges are gone: a dirty lens, or fog
    brightness: float  # mean grey level, 0 to 255
    white: float  # share of the picture that is clipped
    sharpness: float  # mean grey step between neighbours
    contrast: float  # standard deviation of grey levels


@runtime_checkable
class Seeing(Protocol):
    """A code source that can tell a camera which sees nothing from a lane where nobody is."""

    @property
    def view(self) -> CameraView | None:
        """How well it sees now; None before the first pictures."""
        ...


class CameraFrame(msgspec.Struct, frozen=True, gc=False):
    """One picture (a JPEG; from a folder perhaps a PNG or WebP file), with the moment at which its last byte came."""

    jpeg: bytes
    at: Moment

    def __repr__(self) -> str:
        return f"CameraFrame({len(self.jpeg)} bytes)"


@runtime_checkable
class Framed(Protocol):
    """A code source whose pictures somebody else may look at, too, without making it any slower."""

    def watch_scene(self) -> None:
        """From now on keep the newest few frames, and tell whether something stands there. Idempotent."""
        ...

    def face_is_read(self, under_way: bool) -> None:
        """Whether what stands there may be a face that is being read: then no time goes into codes that are hard to read."""
        ...

    def frames(self, most: int) -> Sequence[CameraFrame]:
        """The newest frames, newest last, at most so many; older ones are gone. Nothing before `watch_scene`."""
        ...

    async def news(self, since: int) -> int:
        """Waits until a frame came, or one was held against the scene, after `since` (at first 0); answers the next `since`."""
        ...

    @property
    def stirred(self) -> bool:
        """Whether something stands there that was not in the scene which `settle` was last said of."""
        ...

    def settle(self) -> None:
        """What stands there now is nobody."""
        ...


class CodeSource(Protocol):
    """A camera with its decoder, or a hardware scanner."""

    def sightings(self) -> AsyncIterator[Sighting]:
        """Sightings until closed; reconnects by itself."""
        ...

    async def close(self) -> None:
        """Stop and free the device."""
        ...


class DocumentReader(Protocol):
    """A reader of identity documents. Their numbers do not leave it: it blinds them itself (`resort.documents.blind`)."""

    def documents(self) -> AsyncIterator[DocumentSeen]:
        """Documents as they are held up, until closed; one that stays held up is told once. Reconnects by itself."""
        ...

    async def close(self) -> None:
        """Read no more."""
        ...


class HeightSensor(Protocol):
    """Tells staff about how tall who stands at a lane is. Nobody is refused by it."""

    async def band(self) -> HeightBand | None:
        """Now; None while nobody stands there, it is too near to a limit to tell, or the sensor is away."""
        ...

    async def close(self) -> None:
        """Measure no more."""
        ...


class PeopleCounter(Protocol):
    """A sensor that counts who passes it, or who waits. Nobody is admitted by it."""

    @property
    def latest(self) -> PeopleCount | None:
        """The newest count, with its age; None before the first message."""
        ...

    def counts(self) -> AsyncIterator[PeopleCount]:
        """Each count that is newer than the one fetched last, until closed; the newest wins."""
        ...

    async def close(self) -> None:
        """Listen no more."""
        ...


class Conflict(msgspec.Struct, frozen=True):
    """The ticket changed since it was read: decide again on this record."""

    record: TicketRecord | None


class LaneMemory(msgspec.Struct, frozen=True):
    """What the ledger remembers of a lane: the grant without outcome, if any, the counters and number of its last event."""

    open_grant: GrantIssued | None
    counter_in: int | None
    counter_out: int | None
    last_seq: int = 0


def accounted(event: JournalEvent) -> dict[str, int]:
    """The counters (`counter_in`, `counter_out`) that an event which changes no ticket leaves in its lane's memory."""
    counters: dict[str, int | None] = {}
    match event:
        case PassageUncontrolled():
            counters = {"counter_in": event.counter_in}
        case PassageOut():
            counters = {"counter_out": event.counter_out}
        case LaneChanged():
            counters = {"counter_in": event.counter_in, "counter_out": event.counter_out}
    return {name: counter for name, counter in counters.items() if counter is not None}


class AdmissionLedger(Protocol):
    """The tickets' usage with compare-and-set, and the journal stream, changed together. Raises LedgerUnavailable.

    Idempotent by the lane's number on each event: what is told twice is stored once, and what comes late, after a newer event
    of the same lane, is not stored at all.
    """

    async def find(self, ticket_id: TicketId) -> TicketRecord | None:
        """The ticket as it stands, or None when no such ticket was sold."""
        ...

    async def commit_grant(self, grant: GrantIssued, expected: TicketRecord | None, usage: Usage | None) -> Conflict | None:
        """Store `usage` and append `grant` if the ticket is still at `expected.version`, and remember it as the lane's open
        grant. None: stored. A grant without ticket (by hand) has neither record nor usage."""
        ...

    async def settle(self, outcome: GrantOutcome, expected: TicketRecord | None, usage: Usage | None) -> Conflict | None:
        """Store the outcome of a grant likewise and forget the lane's open grant."""
        ...

    async def amend(self, event: GrantAnnulled | TicketExited, expected: TicketRecord, usage: Usage) -> Conflict | None:
        """Store another change of a ticket's usage likewise; the lane's open grant stays."""
        ...

    async def append(self, events: Sequence[JournalEvent]) -> None:
        """Append events that change no ticket. Events without a lane's number may be appended twice after a lost reply."""
        ...

    async def lane_memory(self, lane_id: LaneId) -> LaneMemory:
        """What a restarted lane needs to know."""
        ...


class PricingShards(Protocol):
    """The shards of inventory and price, routed by cell (`resort.slots.cell_of`) and day."""

    async def quote(self, request: QuoteRequest) -> Quote:
        """Price the request and keep the quote until it expires. Raises Refused errors, Invalid, Unavailable."""
        ...

    async def hold(self, quote: Quote, order_id: str) -> None:
        """Take the quote's places for this order; idempotent by order id. Raises SoldOut."""
        ...

    async def release(self, cell: str, day: date, order_id: str) -> None:
        """Give an unpaid order's places back; idempotent."""
        ...

    async def places_left(self, cell: str, day: date) -> int:
        """Places that can still be sold."""
        ...

    async def meter(self, product: str, day: date, places: Mapping[str, int]) -> dict[str, int]:
        """Let these slots of a timed product sell so many places in all, at most the site's own; kept over restarts. What is
        sold or held stays so. Answers what each may sell now. Raises NotFound, Invalid, Unavailable (tell it again)."""
        ...


class EntitlementPublisher(Protocol):
    """Makes tickets, and what became of them, known to the lanes."""

    async def publish(self, tickets: Sequence[tuple[TicketId, TicketRecord]]) -> None:
        """Write entitlements into the ledger where they are not yet; idempotent. Raises LedgerUnavailable."""
        ...

    async def change_status(self, change: TicketChanged) -> bool:
        """Give a ticket its new status at every lane at once; idempotent. False: the ledger does not know the ticket.
        Raises LedgerUnavailable."""
        ...


class TicketNews(Protocol):
    """The gates' own copies of the tickets, which decide while the ledger is away."""

    async def tell(self, changes: Sequence[TicketChanged]) -> None:
        """Tell every gate what became of tickets; idempotent. Raises Unavailable when a gate did not take it: tell again."""
        ...


class FeedSource(Protocol):
    """The live feed of the site."""

    async def next_frame(self, since: int | None) -> FeedFrame:
        """With None a Snapshot at once; else the Delta since that version as soon as there is one, a Heartbeat after about 1 s
        without, or a Snapshot when the gap is too old. Raises Unavailable."""
        ...

    async def figures(self) -> SiteFigures:
        """Counters and histograms since the feed started. Raises Unavailable."""
        ...


class AlarmControl(Protocol):
    """What staff say about alarms."""

    async def acknowledge(self, alarm_key: str, by: str, note: str) -> None:
        """Somebody has seen this open alarm; durable once it returns, idempotent. Raises NotFound, Unavailable."""
        ...


__all__ = [
    "AdmissionLedger",
    "AlarmControl",
    "Audible",
    "CameraFrame",
    "Clip",
    "CodeSource",
    "Conflict",
    "EntitlementPublisher",
    "FeedSource",
    "Framed",
    "LaneMemory",
    "PeopleCounter",
    "PricingShards",
    "ResultLamp",
    "Sighting",
    "Speaker",
    "TicketNews",
    "Turnstile",
    "TurnstileStatus",
]
