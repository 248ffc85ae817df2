"""The form of a spool file: what can be read after it was cut, damaged or used again."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from resort.ids import LaneId
from resort.messages import encode_event
from storage.spool_file import HEAD, Mark, SpoolContent, pack_event, pack_mark, read_content, read_segment
from tests.unit.storage.lane_events import LANE, a_refusal

SIZE = 4096
BODIES = [encode_event(a_refusal(number)) for number in range(1, 6)]
NOTHING = Mark([1], {}, {})


def a_segment(generation: int = 1, mark: Mark = NOTHING, bodies: list[bytes] = BODIES) -> bytes:
    return pack_mark(generation, mark) + b"".join(pack_event(generation, body) for body in bodies)


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


def content(fd: int, *segments: bytes) -> SpoolContent:
    os.pwrite(fd, b"".join(segment.ljust(SIZE, b"\0") for segment in segments), 0)
    return read_content(fd, SIZE)


def bodies_of(data: bytes) -> list[bytes]:
    segment = read_segment(0, data)
    return [] if segment is None else [record.body for record in segment.records if record.mark is None]


def test_an_empty_file_says_nothing(fd: int) -> None:
    found = read_content(fd, SIZE)
    assert (found.segments, found.live, found.last, found.stored, found.damaged) == ([], set(), {}, {}, False)


def test_what_was_packed_is_read(fd: int) -> None:
    found = content(fd, a_segment(mark=Mark([1], {LANE: 9}, {LANE: 4})))
    assert found.bodies() == [(1, body) for body in BODIES]
    assert (found.last, found.stored, found.damaged) == ({LANE: 9}, {LANE: 4}, False)


def test_cut_at_every_byte_it_holds_the_whole_records_before() -> None:
    whole = a_segment()
    ends = [len(pack_mark(1, NOTHING)) + sum(HEAD + len(body) for body in BODIES[:count]) for count in range(len(BODIES) + 1)]
    for cut in range(len(whole) + 1):
        for behind in (b"", bytes(64), b"\xff" * 64):
            found = bodies_of(whole[:cut] + behind)
            assert found == BODIES[: sum(end <= cut for end in ends[1:])]
            segment = read_segment(0, whole[:cut] + behind)
            assert segment is None or not segment.damaged, "a torn tail is no damage"


def test_a_flipped_bit_anywhere_costs_one_record_and_is_seen() -> None:
    whole = a_segment()
    first = len(pack_mark(1, NOTHING))
    for place in range(first, len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        segment = read_segment(0, bytes(damaged))
        assert segment is not None
        found = [record.body for record in segment.records if record.mark is None]
        assert len(found) == len(BODIES) - 1
        assert set(found) < set(BODIES)
        lost_the_last = found == BODIES[:-1]
        assert segment.damaged != lost_the_last, "the last one cannot be told from a torn tail"


def test_of_a_segment_used_again_only_the_newest_generation_counts(fd: int) -> None:
    new = a_segment(7, Mark([7], {}, {}), BODIES[:1])
    old = a_segment(3)
    found = content(fd, new + old[len(new) :])
    assert found.bodies() == [(7, BODIES[0])]
    assert not found.damaged


def test_generations_count_in_their_order_and_only_those_that_are_live(fd: int) -> None:
    found = content(
        fd,
        a_segment(5, Mark([4, 5], {LANE: 2}, {}), BODIES[3:4]),
        a_segment(3, Mark([3], {LANE: 9}, {}), BODIES[:1]),
        a_segment(4, Mark([3, 4], {}, {LANE: 1}), BODIES[1:3]),
    )
    assert found.bodies() == [(4, BODIES[1]), (4, BODIES[2]), (5, BODIES[3])]
    assert (found.last, found.stored, found.damaged) == ({LANE: 9}, {LANE: 1}, False)


def test_the_last_mark_of_the_newest_generation_counts(fd: int) -> None:
    later = pack_mark(5, Mark([5], {}, {LaneId("l"): 8}))
    found = content(fd, a_segment(4, Mark([4], {}, {})), a_segment(5, Mark([4, 5], {}, {}), BODIES[:1]) + later)
    assert found.live == {5}
    assert found.stored == {LaneId("l"): 8}


def test_a_segment_that_is_gone_is_damage(fd: int) -> None:
    assert content(fd, bytes(SIZE), a_segment(5, Mark([4, 5], {}, {}))).damaged


def test_something_else_in_the_file_is_damage_and_a_torn_first_record_is_not(fd: int) -> None:
    whole = a_segment(1)
    assert content(fd, b"\x7fELF" * 9, whole).foreign == [0]
    assert not content(fd, whole, pack_mark(2, Mark([1, 2], {}, {}))[:-3]).damaged


def test_only_a_damaged_segment_that_counts_is_damage(fd: int) -> None:
    broken = bytearray(a_segment(3))
    broken[len(pack_mark(3, NOTHING)) + HEAD + 4] ^= 1
    assert not content(fd, bytes(broken), a_segment(4, Mark([4], {}, {}))).damaged
    assert content(fd, bytes(broken), a_segment(4, Mark([3, 4], {}, {}))).damaged
