"""The truth file: what is written is read, in order, and what was cut off is left out."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from resort.clock import ManualClock
from resort.errors import Invalid, Unavailable
from sim.truth import (
    ArmTurned,
    ArmUnlocked,
    CodeShown,
    DeviceOrdered,
    GuestLeft,
    LoadBegan,
    SteelCounted,
    TicketBought,
    Truth,
    TruthWriter,
    read_truth,
    when,
)

CLOCK = ManualClock(datetime(2026, 12, 5, 1, 2, 3, 456_000, tzinfo=UTC))
AT = when(CLOCK.advance_ms(5))
RECORDS: list[Truth] = [
    TicketBought("t1", "CODE", "today", **AT),
    LoadBegan(1, 60.0, 3, ["a", "b"], **AT),
    CodeShown(1, 1, "a", "honest", "t1", True, **AT),
    ArmUnlocked("a", 1, 1, "honest", "t1", **AT),
    ArmTurned("a", 1, 1, "honest", "t1", False, **AT),
    GuestLeft(1, "a", "honest", "t1", "turned", **AT),
    ArmUnlocked("b", 1, 0, "", "", **AT),
    DeviceOrdered("silence", "b", True, **AT),
    SteelCounted("a", 1, 1, 1, 0, **AT),
]


def test_every_record_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    for part in (RECORDS[:4], RECORDS[4:]):  # a second load goes on in the same file
        with TruthWriter(path) as truth:
            for record in part:
                truth.tell(record)
    assert list(read_truth(path)) == RECORDS


def test_the_two_times_of_a_record() -> None:
    assert AT == {"tick_ns": 5_000_000, "at_ms": 1_796_432_523_461}


def test_a_record_is_in_the_file_as_soon_as_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    truth = TruthWriter(path)
    truth.tell(RECORDS[0])
    assert list(read_truth(path)) == RECORDS[:1]
    truth.close()
    truth.close()


def test_an_unfinished_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    with TruthWriter(path) as truth:
        truth.tell(RECORDS[0])
    path.write_bytes(path.read_bytes() + b'{"k":"turn","lane":"a"')
    assert list(read_truth(path)) == RECORDS[:1]


def test_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    path.write_text('{"k":"turn"}\n', encoding="utf-8")
    with pytest.raises(Invalid, match=r"truth\.jsonl line 1"):
        list(read_truth(path))


def test_a_full_disk_is_told() -> None:
    with TruthWriter(Path("/dev/full")) as truth, pytest.raises(Unavailable, match="space"):
        truth.tell(RECORDS[0])


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be written"):
        TruthWriter(tmp_path / "no folder" / "truth.jsonl")
