"""What becomes of a sensor's messages: totals that only grow, restarts and jumps."""

from datetime import UTC, datetime

import pytest

from resort.clock import ManualClock
from resort.errors import Invalid
from resort.people import PeopleReading, PeopleSensorSite, PeopleTally

AT = ManualClock(datetime(2027, 1, 2, 9, 0, tzinfo=UTC)).now()
TOTAL = PeopleSensorSite("push", jump_max=50)
STEP = PeopleSensorSite("push", counts="step", jump_max=50)


def counted(site: PeopleSensorSite, *readings: PeopleReading) -> list[tuple[int, int, int | None]]:
    tally = PeopleTally(site)
    counts = [tally.take(reading, AT) for reading in readings]
    return [(count.entered, count.left, count.waiting) for count in counts]


def test_totals_count_from_the_first_message_on() -> None:
    readings = [PeopleReading(1_000, 900), PeopleReading(1_003, 900), PeopleReading(1_003, 902)]
    assert counted(TOTAL, *readings) == [(0, 0, None), (3, 0, None), (3, 2, None)]


def test_a_sensor_that_began_anew_has_counted_so_many_since() -> None:
    assert counted(TOTAL, PeopleReading(1_000), PeopleReading(4), PeopleReading(6))[-1] == (6, 0, None)


def test_a_jump_counts_nobody_and_counting_goes_on_from_there() -> None:
    tally = PeopleTally(TOTAL)
    for total in (10, 61, 62):  # 51 at once
        count = tally.take(PeopleReading(total), AT)
    assert (count.entered, tally.jumps) == (1, 1)


def test_a_step_is_added_and_a_repeated_message_is_not() -> None:
    readings = [PeopleReading(2, 0, number=7), PeopleReading(2, 0, number=7), PeopleReading(1, 1, number=8)]
    assert counted(STEP, *readings) == [(2, 0, None), (2, 0, None), (3, 1, None)]


def test_what_a_message_does_not_say_stays() -> None:
    readings = [PeopleReading(5, 5), PeopleReading(6), PeopleReading(left=7), PeopleReading(waiting=3)]
    assert counted(TOTAL, *readings) == [(0, 0, None), (1, 0, None), (1, 2, None), (1, 2, 3)]


@pytest.mark.parametrize(
    "reading",
    [PeopleReading(), PeopleReading(-1), PeopleReading(0, 2**32), PeopleReading(5, waiting=10_001), PeopleReading(number=1)],
)
def test_numbers_that_cannot_be_change_nothing(reading: PeopleReading) -> None:
    tally = PeopleTally(TOTAL)
    tally.take(PeopleReading(1, 1), AT)
    with pytest.raises(Invalid):
        tally.take(reading, AT)
    assert tally.take(PeopleReading(3, 1), AT).entered == 2


def test_a_count_has_an_age() -> None:
    clock = ManualClock(datetime(2027, 1, 2, 9, 0, tzinfo=UTC))
    count = PeopleTally(TOTAL).take(PeopleReading(1), clock.now())
    assert count.age_ms(clock.advance_ms(1_500)) == 1_500
