"""Hand-written stand-ins for the ticket office, accounts and gates: small, obedient, and able to fail on command."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml

from orchestrator.parts import FaceParts, OpenResort
from orchestrator.people import PeopleDesk
from resort.access.decision import RuleTrace
from resort.access.entitlement import TicketStatus
from resort.access.lane_messages import StaffOutcome
from resort.access.reasons import Reason, explain
from resort.clock import ManualClock
from resort.errors import AmountMismatch, Invalid, NotFound, NotSignedIn
from resort.feed import Delta, GateView, LaneView, Snapshot
from resort.ids import SeededIds, TicketId
from resort.messages import GrantOutcomeUnknown
from resort.pricing import Quote, QuoteRequest, check_request, make_quote
from resort.site import LaneClass, ProductSite, Site
from resort.texts import Text
from sales.explanation import Explanation
from sales.office import OrderView, Payment, TicketView
from sales.tickets import TicketStanding
from sim.memory_feed import MemoryFeed
from storage.accounts import SignedIn, User
from web_console.feed_hub import FeedTiming

AT = datetime(2027, 1, 5, 1, 0, tzinfo=UTC)
DAY = date(2027, 1, 8)
PASSWORD = "right horse"
STAFF = {"anna": "admin", "carl": "cashier", "cora": "control_room", "vera": "viewer"}
CHANNEL_KEYS = {"key-of-partner": "partner", "key-of-kiosk": "kiosk"}
OPEN_ALARM = "forced_arm:village-1"
TICKET = "00112233445566ff"
# Every wait short, except for how long a client may take: tests wait for events, not for time.
QUICK = FeedTiming(
    pace_s=0.0,
    patience_s=5.0,
    backoff_first_s=0.01,
    backoff_limit_s=0.02,
    recheck_s=0.05,
    send_limit_s=30.0,
    close_limit_s=0.5,
)
CONFIG = Path(__file__).parents[3] / "config" / "demo.yaml"


def demo_site(port: int = 0) -> Site:
    """The demo resort on a port of the kernel's choice."""
    site = msgspec.convert(yaml.safe_load(CONFIG.read_text(encoding="utf-8")), Site)
    return msgspec.structs.replace(site, runtime=msgspec.structs.replace(site.runtime, console_port=port))


def lane_view(lane_id: str, passages: int = 0, state: str = "ready", detail: str = "") -> LaneView:
    return LaneView(
        lane_id=lane_id,
        gate_id=lane_id.split("-")[0],
        name=Text("道", lane_id),
        lane_class="standard",
        state=state,
        detail=Text(detail, detail),
        passages=passages,
        refusals=0,
        passages_per_minute=0,
        queue=None,
        last=None,
    )


def board(version: int = 1, passages: int = 0) -> Snapshot:
    gates = [GateView(name, Text("门", name), passages, 0, None) for name in ("village", "north")]
    lanes = [lane_view("village-1", passages), lane_view("village-2"), lane_view("north-1")]
    return Snapshot(version, AT, Text("场", "Site"), gates, lanes, [])


async def pass_one(feed: MemoryFeed, detail: str = "") -> Delta:
    """One more passage at village-1."""
    old = feed.board
    lane = lane_view("village-1", old.lanes[0].passages + 1, detail=detail)
    gate = msgspec.structs.replace(old.gates[0], passages=old.gates[0].passages + 1)
    delta = Delta(old.version, old.version + 1, AT, [gate], [lane], None)
    new = msgspec.structs.replace(old, version=delta.version, gates=[gate, *old.gates[1:]], lanes=[lane, *old.lanes[1:]])
    await feed.change(delta, new)
    return delta


class Breakable:
    """Raises `fails_with` on every call while it is set."""

    fails_with: Exception | None = None

    def check(self) -> None:
        if self.fails_with is not None:
            raise self.fails_with


class FakeOffice(Breakable):
    """Quotes by the real rules; orders in a dictionary."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.ids = SeededIds("office")
        self.quotes: dict[str, Quote] = {}
        self.orders: dict[str, OrderView] = {}
        self.calls: list[tuple[str, ...]] = []

    def products(self) -> list[ProductSite]:
        return self.site.products

    async def quote(self, request: QuoteRequest) -> Quote:
        self.check()
        limits = self.site.sales_limits
        product = check_request(request, self.site.product(request.product), AT.date(), limits)
        quote = make_quote(request, product, self.site.tariff, limits, AT, self.ids)
        self.quotes[quote.quote_id] = quote
        return quote

    async def place_order(self, quote_id: str, channel: str, idempotency_key: str) -> OrderView:
        self.check()
        self.calls.append(("place", channel, idempotency_key))
        quote = self.quotes.get(quote_id)
        if quote is None:
            raise NotFound("quote", quote_id)
        order_id = self.ids.new("order")
        view = OrderView(
            order_id, "on_hold", channel, quote.product, quote.day, quote.units, quote.total, quote.expires_at, [], None
        )
        self.orders[order_id] = view
        return view

    async def order(self, order_id: str) -> OrderView:
        self.check()
        if order_id not in self.orders:
            raise NotFound("order", order_id)
        return self.orders[order_id]

    async def pay(self, order_id: str, payment: Payment, channel: str, idempotency_key: str) -> OrderView:
        order = await self.order(order_id)
        self.calls.append(("pay", channel, idempotency_key))
        if payment.amount != order.total:
            raise AmountMismatch(str(payment.amount), str(order.total))
        ticket = await self.ticket(TICKET)
        self.orders[order_id] = msgspec.structs.replace(order, state="issued", tickets=[ticket])
        return self.orders[order_id]

    async def cancel(self, order_id: str) -> OrderView:
        order = await self.order(order_id)
        self.orders[order_id] = msgspec.structs.replace(order, state="cancelled")
        return self.orders[order_id]

    async def ticket(self, ticket_id: str) -> TicketView:
        self.check()
        if ticket_id != TICKET:
            raise NotFound("ticket", ticket_id)
        return TicketView(ticket_id, "adult", "single", DAY, "THE-SECRET-CODE", 1, 0)

    async def find(self, text: str) -> TicketId:
        self.check()
        if text not in (TICKET, "THE-SECRET-CODE"):
            raise NotFound("ticket", "that")
        return TicketId(TICKET)

    async def explain(self, code: str, lane_id: str) -> Explanation:
        self.check()
        if not code.startswith("SITE"):
            raise Invalid("code", "this code was not issued by the resort")
        rules = [RuleTrace("entries", {"used": 1, "allowed": 1}, Reason.ALREADY_USED, explain(Reason.ALREADY_USED))]
        at = explain(Reason.ALREADY_USED)
        return Explanation(TicketId(TICKET), "village", lane_id, AT, False, Reason.ALREADY_USED, at, rules)


class FakeAccounts(Breakable):
    """Everybody's password is PASSWORD; tokens are counted."""

    def __init__(self) -> None:
        self.sessions: dict[str, User] = {}
        self.lookups = 0
        self.channels = dict(CHANNEL_KEYS)  # by key

    async def sign_in(self, name: str, password: str) -> SignedIn:
        self.check()
        if name not in STAFF or password != PASSWORD:
            raise NotSignedIn
        token = f"token-{len(self.sessions) + 1}-{name}"
        self.sessions[token] = User(f"user-{name}", name, STAFF[name])
        return SignedIn(token, self.sessions[token])

    async def user_of(self, token: str) -> User | None:
        self.check()
        self.lookups += 1
        return self.sessions.get(token)

    async def sign_out(self, token: str) -> None:
        self.check()
        self.sessions.pop(token, None)

    async def channel_of(self, key: str) -> str | None:
        self.check()
        return self.channels.get(key)


class FakeGates(Breakable):
    """Remembers what was ordered."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, str, str]] = []
        self.carried_out: list[tuple[str, ...]] = []

    async def set_mode(self, lane_id: str, mode: str, ordered_by: str) -> None:
        self.check()
        if lane_id not in {"village-1", "village-2", "north-1"}:
            raise NotFound("lane", lane_id)
        self.orders.append((lane_id, mode, ordered_by))

    async def set_policy(self, lane_id: str, admits: frozenset[LaneClass], ordered_by: str, note: str) -> None:
        self.carry_out(lane_id, "policy", ordered_by, note, ",".join(sorted(admits)))

    async def admit(self, lane_id: str, request_id: str, by: str, note: str) -> StaffOutcome:
        return self.carry_out(lane_id, "admit", by, note, request_id)

    async def annul(self, lane_id: str, request_id: str, by: str, note: str) -> StaffOutcome:
        return self.carry_out(lane_id, "annul", by, note, request_id)

    async def test_scan(self, lane_id: str, request_id: str, by: str, code: str) -> StaffOutcome:
        self.carry_out(lane_id, "test-scan", by, code, request_id)
        return StaffOutcome("already_used", Text("此票已使用", "This ticket has already been used"), TicketId(TICKET))

    def carry_out(self, lane_id: str, *what: str) -> StaffOutcome:
        self.check()
        if lane_id not in {"village-1", "village-2", "north-1"}:
            raise NotFound("lane", lane_id)
        self.carried_out.append((lane_id, *what))
        return StaffOutcome("ok", Text("已完成", "Done"))


class FakeDesk(Breakable):
    """Remembers what was ordered of the one ticket there is."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, str, str]] = []

    async def change_status(self, ticket_id: str, status: TicketStatus, by: str, note: str) -> TicketStanding:
        self.check()
        if ticket_id != TICKET:
            raise NotFound("ticket", ticket_id)
        self.orders.append((status, by, note))
        return TicketStanding(TicketId(ticket_id), status, told=True)

    async def unknown_grants(self, ticket_id: str) -> list[GrantOutcomeUnknown]:
        self.check()
        if ticket_id != TICKET:
            raise NotFound("ticket", ticket_id)
        return []

    async def settle(self, ticket_id: str, grant_id: str, by: str, note: str) -> TicketStanding:
        self.check()
        self.orders.append((grant_id, by, note))
        return TicketStanding(TicketId(ticket_id), "active", told=True)


class FakeAlarms(Breakable):
    """Remembers who saw what; one alarm is open."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []

    async def acknowledge(self, alarm_key: str, by: str, note: str) -> None:
        self.check()
        if alarm_key != OPEN_ALARM:
            raise NotFound("open alarm", alarm_key)
        self.seen.append((alarm_key, by, note))


class FakeResort:
    """All parts, and the `OpenResort` that they make."""

    def __init__(
        self, *, port: int = 0, heartbeat_s: float = 0.05, faces: FaceParts | None = None, face_office: Any = None
    ) -> None:
        self.site = demo_site(port)
        self.faces = faces
        self.people: PeopleDesk | None = None
        self.crowd: Any = None
        self.clock = ManualClock(AT)
        self.face_office = face_office
        self.office = FakeOffice(self.site)
        self.accounts = FakeAccounts()
        self.gates = FakeGates()
        self.alarms = FakeAlarms()
        self.desk = FakeDesk()
        self.feed = MemoryFeed(board(), heartbeat_s=heartbeat_s)

    def opened(self) -> OpenResort:
        return OpenResort(
            site=self.site,
            clock=self.clock,
            ids=SeededIds("window"),
            office=self.office,
            accounts=self.accounts,
            feed=self.feed,
            gates=self.gates,
            alarms=self.alarms,
            desk=self.desk,
            faces=self.faces,
            people=self.people,
            crowd=self.crowd,
            face_office=self.face_office,
        )
