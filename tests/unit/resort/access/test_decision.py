"""The decision: one ticket, one scan, one reason; and the trace, which must say the same."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from resort.access.decision import decide, scan_at, trace
from resort.access.entitlement import Entitlement, Hours, PlaceHours, TicketRecord, Usage
from resort.access.gate_rules import GateRules, gate_rules
from resort.access.reasons import EXPLANATIONS, Reason
from resort.access.rules import RULES
from resort.ids import GateId, TicketId
from resort.site import Site
from tests.unit.resort.access.lane_stand import OPEN

TODAY = date(2026, 12, 12)
ZONE = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 12, 12, 4, tzinfo=UTC)  # at the site
GATE = GateRules(
    GateId("north"),
    ZONE,
    zone="base",
    passback="hard",
    lift="chair",
    min_interval_s=180,
    travel_s={GateId("summit"): 300},
    companion_s=600,
    day_begins=time(5),
)
PLAIN = Entitlement("single", "adult", TODAY, 1, ("standard",))
PASS = msgspec.structs.replace(PLAIN, entries=None)
CHILD = TicketId("00000000000000cc")


def at(hour: int, minute: int = 0, day: int = 12) -> datetime:
    """A time of the site's clock."""
    return datetime(2026, 12, day, hour, minute, tzinfo=ZONE)


def allowing(base: Entitlement = PLAIN, **changes: object) -> Entitlement:
    return msgspec.structs.replace(base, **changes)


def reason_of(
    allowed: Entitlement,
    usage: Usage | None = None,
    *,
    when: datetime = NOON,
    bound: Usage | None = None,
    gate: GateRules = GATE,
    **shown: object,
) -> Reason:
    """What is decided, once it is clear that the trace says the same."""
    scan = msgspec.structs.replace(scan_at(gate, "standard", when.astimezone(UTC)), **shown)
    ticket = TicketRecord(1, allowed, usage or Usage())
    other = None if bound is None else TicketRecord(1, PLAIN, bound)
    decision = decide(scan, ticket, gate, other)
    told = trace(scan, ticket, gate, other)
    assert [step.rule for step in told] == [rule.name for rule in RULES]
    assert next((step.reason for step in told if step.reason is not None), Reason.ADMITTED) is decision.reason
    assert decision.admitted == (decision.reason is Reason.ADMITTED)
    assert decision.explanation == EXPLANATIONS[decision.reason]
    msgspec.json.encode(told)
    return decision.reason


def ago(**past: float) -> datetime:
    return NOON - timedelta(**past)


@pytest.mark.parametrize(
    ("allowed", "usage", "reason"),
    [
        (PLAIN, Usage(), Reason.ADMITTED),
        (PLAIN, Usage(used=1), Reason.ALREADY_USED),
        (PLAIN, Usage(used=1, unknown=1), Reason.OUTCOME_UNKNOWN),
        (PLAIN, Usage(open=OPEN), Reason.IN_USE),
        (allowing(entries=2), Usage(used=1), Reason.ADMITTED),
        (allowing(entries=2), Usage(used=2), Reason.ALREADY_USED),
        (PASS, Usage(used=99), Reason.ADMITTED),
        (allowing(lane_classes=("fast",)), Usage(), Reason.WRONG_LANE),
        (allowing(status="blocked"), Usage(), Reason.BLOCKED),
        (allowing(status="revoked"), Usage(), Reason.REVOKED),
        (allowing(status="refunded"), Usage(), Reason.REFUNDED),
        (allowing(status="transferred"), Usage(), Reason.TRANSFERRED),
        (allowing(media=("card",)), Usage(), Reason.WRONG_MEDIUM),
        (allowing(valid_on=date(2026, 12, 13)), Usage(), Reason.WRONG_DAY),
        (allowing(valid_on=date(2026, 12, 10)), Usage(), Reason.WRONG_DAY),
        (allowing(valid_on=date(2026, 12, 10), valid_until=TODAY), Usage(), Reason.ADMITTED),
        (allowing(valid_on=date(2026, 12, 10), valid_until=date(2026, 12, 11)), Usage(), Reason.WRONG_DAY),
        (allowing(valid_on=date(2026, 12, 13), valid_until=date(2026, 12, 15)), Usage(), Reason.WRONG_DAY),
        (allowing(PASS, blackout=(TODAY,)), Usage(), Reason.BLACKOUT_DAY),
        (allowing(PASS, days_of_use=2), Usage(days=(date(2026, 12, 1), date(2026, 12, 2))), Reason.DAYS_USED_UP),
        (allowing(PASS, days_of_use=2), Usage(days=(date(2026, 12, 1), TODAY)), Reason.ADMITTED),
        (allowing(PASS, days_of_use=2), Usage(days=(date(2026, 12, 1),)), Reason.ADMITTED),
        (allowing(PASS, minutes=120), Usage(), Reason.ADMITTED),
        (allowing(PASS, minutes=120), Usage(used=1, first_at=ago(minutes=119)), Reason.ADMITTED),
        (allowing(PASS, minutes=120), Usage(used=1, first_at=ago(minutes=120)), Reason.TIME_USED_UP),
        (allowing(places=(PlaceHours("south"),)), Usage(), Reason.WRONG_PLACE),
        (allowing(places=(PlaceHours("south"), PlaceHours("north"))), Usage(), Reason.ADMITTED),
        (allowing(places=(PlaceHours("base"),)), Usage(), Reason.ADMITTED),
        (allowing(places=(PlaceHours("chair"),)), Usage(), Reason.ADMITTED),
        (allowing(places=(PlaceHours("base", Hours(time(17), time(22))),)), Usage(), Reason.OUT_OF_HOURS),
        (
            allowing(places=(PlaceHours("base", Hours(time(17), time(22))), PlaceHours("chair", Hours(time(9), time(13))))),
            Usage(),
            Reason.ADMITTED,
        ),
        (PASS, Usage(used=1, lifts={"chair": ago(seconds=179)}), Reason.TOO_SOON),
        (PASS, Usage(used=1, lifts={"chair": ago(seconds=180)}), Reason.ADMITTED),
        (PASS, Usage(used=1, lifts={"gondola": ago(seconds=1)}), Reason.ADMITTED),
        (PASS, Usage(used=1, lifts={"chair": ago(hours=-2)}), Reason.TOO_SOON),  # the clock was set back: no time has passed
        (PASS, Usage(used=1, zone="base"), Reason.STILL_INSIDE),
        (PASS, Usage(used=1, zone="peak"), Reason.ADMITTED),
        (PASS, Usage(used=1, last_gate=GateId("summit"), last_at=ago(seconds=299)), Reason.IMPOSSIBLE_TRAVEL),
        (PASS, Usage(used=1, last_gate=GateId("summit"), last_at=ago(seconds=300)), Reason.ADMITTED),
        (PASS, Usage(used=1, last_gate=GateId("village"), last_at=ago(seconds=1)), Reason.ADMITTED),
        (
            allowing(PASS, passback=False),
            Usage(used=9, zone="base", last_gate=GateId("summit"), last_at=NOON, lifts={"chair": NOON}),
            Reason.ADMITTED,
        ),
    ],
)
def test_reason(allowed: Entitlement, usage: Usage, reason: Reason) -> None:
    assert reason_of(allowed, usage) is reason


def test_a_ticket_that_was_never_sold() -> None:
    scan = scan_at(GATE, "standard", NOON)
    assert decide(scan, None, GATE).reason is Reason.UNKNOWN_TICKET
    assert [(step.rule, step.reason) for step in trace(scan, None, GATE)] == [("sold", Reason.UNKNOWN_TICKET)]


@pytest.mark.parametrize(
    ("hours", "when", "reason"),
    [
        (Hours(time(9), time(12)), at(8, 59), Reason.OUT_OF_HOURS),
        (Hours(time(9), time(12)), at(9), Reason.ADMITTED),
        (Hours(time(9), time(12)), at(11, 59), Reason.ADMITTED),
        (Hours(time(9), time(12)), at(12), Reason.OUT_OF_HOURS),
        (Hours(time(18), time(1)), at(17, 59), Reason.OUT_OF_HOURS),
        (Hours(time(18), time(1)), at(23, 59), Reason.ADMITTED),
        (Hours(time(18), time(1)), at(0, 59, day=13), Reason.ADMITTED),  # still the night of the 12th
        (Hours(time(18), time(1)), at(1, 0, day=13), Reason.OUT_OF_HOURS),
        (Hours(time(18), time(1)), at(0, 30, day=12), Reason.WRONG_DAY),  # the night of the 11th
        (Hours(time(18), time(1)), at(18, 0, day=13), Reason.WRONG_DAY),
        (None, at(4, 59, day=13), Reason.ADMITTED),
        (None, at(5, 0, day=13), Reason.WRONG_DAY),
    ],
)
def test_hours_of_the_service_day(hours: Hours | None, when: datetime, reason: Reason) -> None:
    assert reason_of(allowing(hours=hours), when=when) is reason


@pytest.mark.parametrize(
    ("step", "last_step", "reason"),
    [(0, 100, Reason.ADMITTED), (100, 100, Reason.CODE_REPLAYED), (99, 100, Reason.CODE_REPLAYED), (101, 100, Reason.ADMITTED)],
)
def test_a_rotating_code_is_used_once(step: int, last_step: int, reason: Reason) -> None:
    assert reason_of(PASS, Usage(used=1, last_step=last_step), step=step, medium="phone") is reason


def test_a_party_that_is_not_through_may_complete_and_no_more() -> None:
    group = allowing(party=4, entries=1)
    half = Usage(used=2, last_step=7, lifts={"chair": NOON}, zone="base", last_gate=GateId("north"), last_at=NOON)
    assert reason_of(group, half, step=7) is Reason.ADMITTED
    assert reason_of(group, msgspec.structs.replace(half, used=4), step=8) is Reason.ALREADY_USED
    again = allowing(party=4, entries=2)
    assert reason_of(again, msgspec.structs.replace(half, used=4), step=8) is Reason.TOO_SOON


def test_half_a_party_cannot_be_elsewhere_at_once() -> None:
    half = Usage(used=2, last_gate=GateId("summit"), last_at=ago(seconds=10))
    assert reason_of(allowing(party=4), half) is Reason.IMPOSSIBLE_TRAVEL


@pytest.mark.parametrize(
    ("bound", "own", "reason"),
    [
        (None, Usage(), Reason.COMPANION_ALONE),
        (Usage(), Usage(), Reason.COMPANION_ALONE),
        (Usage(last_at=ago(seconds=600), last_gate=GateId("north")), Usage(), Reason.ADMITTED),
        (Usage(last_at=ago(seconds=601), last_gate=GateId("north")), Usage(), Reason.COMPANION_ALONE),
        (Usage(last_at=ago(seconds=-1), last_gate=GateId("north")), Usage(), Reason.COMPANION_ALONE),
        (Usage(last_at=ago(seconds=5), last_gate=GateId("summit")), Usage(), Reason.COMPANION_ALONE),
        (Usage(last_at=ago(seconds=5), last_gate=GateId("north")), Usage(used=1, last_at=ago(seconds=9)), Reason.ADMITTED),
        (
            Usage(last_at=ago(seconds=5), last_gate=GateId("north")),
            Usage(used=1, last_at=ago(seconds=2)),
            Reason.COMPANION_ALONE,
        ),
    ],
)
def test_a_companion_passes_once_after_each_pass_of_the_one_he_is_bound_to(
    bound: Usage | None, own: Usage, reason: Reason
) -> None:
    assert reason_of(allowing(PASS, companion_of=CHILD), own, bound=bound) is reason


def test_a_fast_lane_admits_others_only_by_policy() -> None:
    assert reason_of(PLAIN, lane_class="fast") is Reason.WRONG_LANE
    assert reason_of(PLAIN, lane_class="fast", admits=frozenset({"standard"})) is Reason.ADMITTED
    assert reason_of(PLAIN, lane_class="fast", admits=frozenset({"vip"})) is Reason.WRONG_LANE


def test_a_soft_zone_admits_and_warns() -> None:
    soft = msgspec.structs.replace(GATE, passback="soft")
    scan = scan_at(soft, "standard", NOON)
    inside = decide(scan, TicketRecord(1, PASS, Usage(used=1, zone="base")), soft)
    assert (inside.admitted, inside.warning) == (True, Reason.STILL_INSIDE)
    assert decide(scan, TicketRecord(1, PASS, Usage(used=1)), soft).warning is None
    assert (
        decide(scan, TicketRecord(1, PASS, Usage(zone="base")), msgspec.structs.replace(GATE, passback="off")).warning is None
    )


def test_what_staff_decided_is_said_first_and_a_copy_is_called_what_it_is() -> None:
    worst = allowing(status="blocked", valid_on=date(2026, 1, 1), lane_classes=("vip",))
    assert reason_of(worst, Usage(used=1, open=OPEN)) is Reason.BLOCKED
    assert reason_of(allowing(lane_classes=("vip",)), Usage(used=1)) is Reason.ALREADY_USED


def test_a_trace_goes_on_after_the_first_refusal_and_shows_what_it_saw() -> None:
    told = {step.rule: step for step in trace(scan_at(GATE, "fast", NOON), TicketRecord(1, PLAIN, Usage(used=1)), GATE)}
    assert told["entries"].inputs == {"used": 1, "unknown": 0, "allowed": 1, "party": 1}
    assert (told["entries"].reason, told["entries"].says) == (Reason.ALREADY_USED, EXPLANATIONS[Reason.ALREADY_USED])
    assert told["lane"].reason is Reason.WRONG_LANE
    assert told["day"].reason is None
    assert told["day"].says is None


def test_gates_take_their_rules_from_the_site(demo_site: Site) -> None:
    summit = next(gate for gate in demo_site.gates if gate.id == "summit")
    rules = gate_rules(demo_site, summit)
    assert (rules.zone, rules.lift, rules.passback, rules.min_interval_s) == ("peak", "summit-gondola", "off", 180)
    assert rules.travel_s == {"village": 420, "north": 300}


def test_every_reason_is_explained_in_both_languages() -> None:
    assert set(EXPLANATIONS) == set(Reason)
    for text in EXPLANATIONS.values():
        assert text.zh.strip()
        assert text.en.strip()
        assert any("\u4e00" <= character <= "\u9fff" for character in text.zh)


def test_the_lanes_page_lists_the_rules_in_the_order_in_which_they_speak() -> None:
    lines = Path("docs/lanes.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    rows = {int(row[0]): row[1].strip("`") for row in cells if row[0].isdigit()}
    assert [rows[number] for number in sorted(rows)] == [rule.name for rule in RULES]
