"""The virtual ledger: a journal's digest, and no grant on a ticket that changed meanwhile."""

import hashlib
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from resort.access.codes import SiteKeys, issue_code
from resort.access.entitlement import Entitlement
from resort.access.lane_settings import LaneSettings
from resort.ids import GateId, LaneId, SeededIds, TicketId
from resort.messages import GrantIssued, JournalEvent, encode_event
from resort.site import LaneLimits
from sim.mountain.course import Course
from sim.mountain.virtual_lane import VirtualLane
from sim.mountain.virtual_ledger import VirtualLedger

KEYS = SiteKeys(1, {1: b"k" * 32})
DAY = date(2026, 12, 12)
TICKET = TicketId("00000000000000aa")


def lane(ledger: VirtualLedger, course: Course, name: str) -> VirtualLane:
    settings = LaneSettings(GateId("gate"), LaneId(name), "standard", LaneLimits(), ZoneInfo("Asia/Shanghai"))
    return VirtualLane(settings, KEYS, ledger, course, SeededIds(name), checked=True)


def test_the_digest_is_that_of_the_journals_lines() -> None:
    heard: list[JournalEvent] = []
    ledger, course = VirtualLedger(heard.append), Course(datetime(2026, 12, 12, 1, tzinfo=UTC))
    one = lane(ledger, course, "a")
    ledger.sell(TICKET, Entitlement("single", "adult", DAY, 1, ("standard",)))
    assert one.show_code(issue_code(TICKET, KEYS))
    course.at = 1.0
    assert one.steel.push_in()
    one.look()
    assert not one.show_code(issue_code(TICKET, KEYS))
    assert one.refused == "already_used"
    assert [type(event).__name__ for event in heard] == ["LaneChanged", "GrantIssued", "PassageConfirmed", "ScanRefused"]
    assert ledger.digest == hashlib.sha256(b"".join(encode_event(event) + b"\n" for event in heard)).hexdigest()


def test_a_grant_on_what_changed_is_refused_and_nothing_stored() -> None:
    ledger, course = VirtualLedger(), Course(datetime(2026, 12, 12, 1, tzinfo=UTC))
    grants: list[GrantIssued] = []
    told = VirtualLedger(lambda event: grants.append(event) if isinstance(event, GrantIssued) else None)
    for book in (ledger, told):
        book.sell(TICKET, Entitlement("day", "adult", DAY, None, ("standard",)))
    stale = ledger.tickets[TICKET]
    assert lane(told, course, "a").show_code(issue_code(TICKET, KEYS))
    assert ledger.grant(grants[0], stale, told.tickets[TICKET].usage)
    digest = ledger.digest
    assert not ledger.grant(grants[0], stale, told.tickets[TICKET].usage)
    assert ledger.conflicts == 1
    assert ledger.digest == digest
