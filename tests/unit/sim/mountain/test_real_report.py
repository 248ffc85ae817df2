"""The report of a real-time run: its course in slices, and a page that says what happened in both languages."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.measured import Measured
from resort.errors import Unavailable
from resort.ids import EventId, GateId, GrantId, LaneId
from resort.messages import JournalEvent, PassageConfirmed
from resort.texts import Text
from sim.mountain.real_report import RealPlayed, Slice, course_of, real_report_page, write_real_report
from tests.unit.sim.mountain.small_resort import small

AT = datetime(2026, 12, 12, 9, tzinfo=UTC)


def passed(second: float, decision_ms: float) -> PassageConfirmed:
    return PassageConfirmed(
        event_id=EventId(f"e{second}"), caused_by="", at=AT + timedelta(seconds=second), gate_id=GateId("g"),
        lane_id=LaneId("l"), grant_id=GrantId("x"), ticket_id=None, counter_in=1, decision_ms=decision_ms,
        open_ms=2 * decision_ms,
    )  # fmt: skip


def played(events: list[JournalEvent]) -> RealPlayed:
    figures = {
        "speed": 20.0, "lanes": 60.0, "guests": 3.0, "lost_passages": 0.0, "invented_passages": 0.0, "duplicates": 0.0,
        "unserved": 1.0, "rate_per_s": 2.0, "decision_p99_ms": 40.0, "scan_to_open_p99_ms": 80.0, "refused_seen": 1.0,
        "refused_wrong_day": 1.0,
    }  # fmt: skip
    found = Measured("sim real", 1, "machine", figures, {"asked_rate_per_s": 3.0}, {})
    return RealPlayed(found, Text("瓶颈：处理器已满", "Bottleneck: the processor is full"), course_of(events), {"gates": 0.7})


def test_the_course_has_a_slice_for_each_few_seconds_also_for_those_in_which_nothing_happened() -> None:
    course = course_of([passed(0.0, 10.0), passed(1.0, 30.0), passed(11.0, 20.0)], 5.0)
    assert course == [Slice(2, 0, 10.0, 30.0, 60.0), Slice(0, 0, 0.0, 0.0, 0.0), Slice(1, 0, 20.0, 20.0, 40.0)]
    assert course_of([]) == []


def test_the_page_tells_the_bottleneck_and_the_figures_in_both_languages(tmp_path: Path) -> None:
    write_real_report(small(), played([passed(0.0, 10.0), passed(7.0, 20.0)]), tmp_path / "new" / "report.html")
    page = (tmp_path / "new" / "report.html").read_text()
    for words in (
        "瓶颈：处理器已满",
        "Bottleneck: the processor is full",
        "gate processes",
        "闸口进程",
        "80 ms",
        "decision, 99 %",
    ):
        assert words in page
    assert page.count("<polyline") == 5


def test_a_run_in_which_nobody_passed_has_a_page_too() -> None:
    assert "<polyline" not in real_report_page(small(), played([]))


def test_a_page_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        write_real_report(small(), played([]), tmp_path / "file" / "report.html")
