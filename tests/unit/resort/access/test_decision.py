"""The decision: one ticket, one scan, one reason."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from resort.access.decision import decide, scan_at
from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.access.gate_rules import GateRules
from resort.access.reasons import EXPLANATIONS, Reason
from resort.ids import GateId
from resort.site import LaneClass
from tests.unit.resort.access.lane_stand import OPEN

TODAY = date(2026, 12, 12)
MORNING = datetime(2026, 12, 12, 1, tzinfo=UTC)
GATE = GateRules(GateId("north"), ZoneInfo("Asia/Shanghai"))
TICKET = TicketRecord(1, Entitlement("single", "adult", TODAY, 1, ("standard",)), Usage())


def _with(usage: Usage | None = None, **entitlement: object) -> TicketRecord:
    changed = msgspec.structs.replace(TICKET.entitlement, **entitlement)
    return TicketRecord(1, changed, usage or Usage())


@pytest.mark.parametrize(
    ("ticket", "lane_class", "reason"),
    [
        (TICKET, "standard", Reason.ADMITTED),
        (None, "standard", Reason.UNKNOWN_TICKET),
        (_with(valid_on=date(2026, 12, 13)), "standard", Reason.WRONG_DAY),
        (_with(Usage(used=1)), "standard", Reason.ALREADY_USED),
        (_with(Usage(used=1, unknown=1)), "standard", Reason.OUTCOME_UNKNOWN),
        (_with(Usage(open=OPEN)), "standard", Reason.IN_USE),
        (_with(Usage(used=1), entries=2), "standard", Reason.ADMITTED),
        (_with(Usage(used=2), entries=2), "standard", Reason.ALREADY_USED),
        (TICKET, "fast", Reason.WRONG_LANE),
        (_with(lane_classes=("standard", "fast")), "fast", Reason.ADMITTED),
        (_with(status="blocked"), "standard", Reason.BLOCKED),
        (_with(Usage(used=1), status="blocked", valid_on=date(2026, 1, 1)), "fast", Reason.BLOCKED),
    ],
)
def test_reason(ticket: TicketRecord | None, lane_class: LaneClass, reason: Reason) -> None:
    decision = decide(scan_at(GATE, lane_class, MORNING), ticket, GATE)
    assert decision.reason is reason
    assert decision.admitted == (reason is Reason.ADMITTED)


def test_every_reason_is_explained_in_both_languages() -> None:
    assert set(EXPLANATIONS) == set(Reason)
    for text in EXPLANATIONS.values():
        assert text.zh.strip()
        assert text.en.strip()
        assert any("\u4e00" <= character <= "\u9fff" for character in text.zh)
