"""What the HTTP API takes and gives, beside the structs that other rooms already own.

Requests refuse unknown fields and state their bounds here, at the door, so that no number too large for SQL and no text too
long for a log travels further in. The OpenAPI document and the front end's types are generated from these structs.
"""

from datetime import date
from typing import Annotated, Any, Literal

import msgspec

from resort.access.entitlement import TicketStatus
from resort.access.lane_messages import StaffOutcome
from resort.access.reasons import Reason
from resort.crowd import CrowdMode
from resort.feed import AlarmView, GateView, LaneView
from resort.ids import TicketId
from resort.pricing import Channel
from resort.site import DayKind, LaneClass, UnitPrice
from resort.slots import SlotTime
from resort.texts import Text
from sales.views import SlotView

# Not `$` at the end, which in Python lets a newline follow; `(?![^])` would be JavaScript only.
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+(?![\s\S])")]
# JSON numbers above 2**53 - 1 are not exact in every client (RFC 8259, section 6).
MinorUnits = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
CurrencyCode = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}(?![\s\S])")]


Note = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]  # printable, which is checked where it is used


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every request body: an unknown field is an error, so that a misspelt one is never ignored."""


class SignIn(Ask, frozen=True):
    """A name and a password, exchanged for the session cookie."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class SessionView(msgspec.Struct, frozen=True):
    """Who is signed in on this cookie."""

    name: str
    role: str


class QuoteAsk(Ask, frozen=True):
    """What somebody wants to know the price of. `channel` may be left out: it follows from who asks."""

    product: Name
    day: date
    units: Annotated[
        dict[Name, Annotated[int, msgspec.Meta(ge=1, le=1000)]],
        msgspec.Meta(min_length=1, max_length=20),
    ]
    channel: Channel | None = None
    slot: SlotTime | None = None  # local start time, of a timed product only


class SlotsAsk(Ask, frozen=True):
    """Of which day the slots are asked for."""

    day: date


class SlotList(msgspec.Struct, frozen=True):
    """Every slot of a timed product on one day. Places may be gone a moment later: only an order holds them."""

    product: str
    day: date
    slots: list[SlotView]


class OrderAsk(Ask, frozen=True):
    """Take the places of a quote and hold them until paid."""

    quote_id: Name


class AmountAsk(Ask, frozen=True):
    """Money as a request carries it: minor units (fen for CNY) of an ISO 4217 currency."""

    minor: MinorUnits
    currency: CurrencyCode


class PaymentAsk(Ask, frozen=True):
    """Money received for an order; the amount has to be the order's total."""

    method: Literal["cash"]
    amount: AmountAsk


class LaneModeAsk(Ask, frozen=True):
    """Open a lane to guests, or close it. Exit, fire release and power loss never wait for this."""

    mode: Literal["open", "closed", "exit"]


class SignAsk(Ask, frozen=True):
    """What the display at a sign names for so many minutes: a gate, "" for nothing; null: what the crowd brain says again."""

    gate_id: str | None
    minutes: Annotated[int, msgspec.Meta(ge=1, le=1_440)] = 30


class CrowdModeAsk(Ask, frozen=True):
    """What the crowd brain may do from now on; kept over restarts."""

    mode: CrowdMode


class TicketStatusAsk(Ask, frozen=True):
    """What is to become of a ticket, and why: the note goes into the journal."""

    status: TicketStatus
    note: Note


class GrantSettleAsk(Ask, frozen=True):
    """Why an entry of unknown outcome is given back."""

    note: Note


class LaneOrderAsk(Ask, frozen=True):
    """Why somebody is let through by hand, or an entry taken back: it goes into the journal."""

    note: Note


class TicketFindAsk(Ask, frozen=True):
    """A ticket's number, or a code's text."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class TicketFound(msgspec.Struct, frozen=True):
    """The number of the ticket that was meant."""

    ticket_id: str


class TestScanAsk(Ask, frozen=True):
    """A code to be decided on as if it were held up at the lane now."""

    __test__ = False  # no test, whatever its name

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class LanePolicyAsk(Ask, frozen=True):
    """Whose tickets a lane admits for the moment, besides those of its own class; nobody else with none."""

    admits: Annotated[list[LaneClass], msgspec.Meta(max_length=3)]
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""


class LanePolicyView(msgspec.Struct, frozen=True):
    """The order as accepted; the lane follows within a second."""

    lane_id: str
    admits: list[LaneClass]


class RuleView(msgspec.Struct, frozen=True):
    """One rule: what it saw, by name, and the reason for which it refuses, if it does."""

    rule: str
    inputs: dict[str, Any]
    reason: Reason | None
    says: Text | None


class TestScanView(msgspec.Struct, frozen=True):
    """What the lane would decide, and each rule with what it saw as far as SQL knows (none where the code is nobody's)."""

    __test__ = False

    outcome: StaffOutcome
    rules: list[RuleView]


class LaneModeView(msgspec.Struct, frozen=True):
    """The order as accepted; the feed tells when the lane follows."""

    lane_id: str
    mode: Literal["open", "closed", "exit"]


class ProductView(msgspec.Struct, frozen=True):
    """One thing that is sold: base prices in minor units by day kind, and what each unit type pays of them in percent."""

    code: str
    name: Text
    lane_classes: list[LaneClass]
    prices: dict[DayKind, int]
    units: list[UnitPrice]
    entries: int | None  # null: as often as the ticket's days and hours allow
    slots: list[str]  # local start times, one of which a quote has to name; none: it is sold by the day


class CatalogueView(msgspec.Struct, frozen=True):
    """What can be bought here. Prices are indicative: only a quote is binding."""

    site: Text
    currency: str
    tariff_version: str
    products: list[ProductView]


class AcknowledgeAsk(Ask, frozen=True):
    """An open alarm was seen; `note` says what is done about it."""

    # One line: no control characters, which could forge lines of a log.
    note: Annotated[str, msgspec.Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*(?![\s\S])")] = ""


class AcknowledgedView(msgspec.Struct, frozen=True):
    """Kept in the journal; the feed shows it with the alarm."""

    alarm_key: str
    by: str
    note: str


class AlarmList(msgspec.Struct, frozen=True):
    """Every open alarm as the feed saw it at `version`."""

    version: int
    alarms: list[AlarmView]


class PartHealth(msgspec.Struct, frozen=True):
    """One part the console depends on."""

    part: str
    ok: bool
    detail: str


class HealthView(msgspec.Struct, frozen=True):
    """Whether the resort can serve; `ok` is true when every part is."""

    ok: bool
    parts: list[PartHealth]


class GateList(msgspec.Struct, frozen=True):
    """Every gate and lane as the feed saw them at `version`."""

    version: int
    gates: list[GateView]
    lanes: list[LaneView]
    alarms: list[AlarmView]


class GateDetail(msgspec.Struct, frozen=True):
    """One gate with its lanes and open alarms."""

    version: int
    gate: GateView
    lanes: list[LaneView]
    alarms: list[AlarmView]


class LookPictures(msgspec.Struct, frozen=True):
    """The two pictures of an open look, JPEGs in base64: the lane's camera now, and the one that was enrolled. Null: there is
    none. Never stored, never cached."""

    ticket_id: TicketId
    live: bytes | None
    enrolled: bytes | None

    def __repr__(self) -> str:
        return f"LookPictures({self.ticket_id})"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error answer (RFC 9457, `application/problem+json`). `code` is stable; `detail` is one sentence for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str = ""
    incident: str = ""
