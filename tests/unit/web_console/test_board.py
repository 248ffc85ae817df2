"""Deltas move a snapshot forward exactly as the feed's own board moved."""

import msgspec
import pytest

from resort.feed import AlarmView, Delta
from resort.texts import Text
from tests.unit.web_console.fakes import AT, board, lane_view
from web_console.board import advanced

ALARM = AlarmView("a", "warning", "village", "village-1", Text("警", "Alarm"), AT)


def test_changed_views_replace_theirs_in_place() -> None:
    after = advanced(board(), Delta(1, 2, AT, [], [lane_view("village-2", 7)], None))
    assert after.version == 2
    assert [(lane.lane_id, lane.passages) for lane in after.lanes] == [("village-1", 0), ("village-2", 7), ("north-1", 0)]
    assert after.gates == board().gates


def test_unknown_views_come_last() -> None:
    after = advanced(board(), Delta(1, 2, AT, [], [lane_view("summit-1")], None))
    assert [lane.lane_id for lane in after.lanes][-1] == "summit-1"
    assert len(after.lanes) == 4


def test_alarms_come_whole_or_not_at_all() -> None:
    with_alarm = advanced(board(), Delta(1, 2, AT, [], [], [ALARM]))
    assert advanced(with_alarm, Delta(2, 3, AT, [], [], None)).alarms == [ALARM]
    assert advanced(with_alarm, Delta(2, 3, AT, [], [], [])).alarms == []


def test_a_gap_is_an_error_and_the_old_board_is_untouched() -> None:
    old = board()
    copy = msgspec.structs.replace(old)
    with pytest.raises(ValueError, match="does not fit"):
        advanced(old, Delta(2, 3, AT, [], [], None))
    assert old == copy
