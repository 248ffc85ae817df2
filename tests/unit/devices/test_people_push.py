"""People sensors that post their counts: what a post holds, and what it counts."""

from datetime import UTC, datetime

import msgspec
import pytest

from devices.people_push import CountPost, PushedPeopleCounter
from resort.clock import ManualClock
from resort.errors import Invalid, InvalidConfig
from resort.people import PeopleSensorSite
from resort.ports import PeopleCounter

CLOCK = ManualClock(datetime(2027, 1, 2, 9, 0, tzinfo=UTC))
PUSH = PeopleSensorSite("push")


async def test_what_is_posted_is_counted() -> None:
    sensor = PushedPeopleCounter(PUSH, CLOCK)
    counter: PeopleCounter = sensor
    counts = counter.counts()
    sensor.take(CountPost(entered=40, left=9))
    sensor.take(CountPost(entered=43, left=9, waiting=2))
    count = await anext(counts)
    assert (count.entered, count.left, count.waiting) == (3, 0, 2)
    assert counter.latest == count
    await counter.close()
    assert [count async for count in counts] == []


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"entered": -1}',
        b'{"entered": 1.5}',
        b'{"entered": 4294967296}',
        b'{"waiting": 10001}',
        b'{"entered": 1, "in": 2}',
    ],
)
def test_nonsense_is_no_post(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=CountPost)


@pytest.mark.parametrize("post", [CountPost(), CountPost(number=3)])
def test_a_post_that_says_nothing_counts_nothing(post: CountPost) -> None:
    sensor = PushedPeopleCounter(PUSH, CLOCK)
    with pytest.raises(Invalid):
        sensor.take(post)
    assert sensor.latest is None


def test_steps_need_a_number_so_that_a_post_that_comes_twice_counts_once() -> None:
    sensor = PushedPeopleCounter(PeopleSensorSite("push", counts="step"), CLOCK)
    with pytest.raises(Invalid):
        sensor.take(CountPost(entered=2))
    for _ in range(2):
        count = sensor.take(CountPost(entered=2, number=7))
    assert count.entered == 2
    assert sensor.take(CountPost(waiting=4)).waiting == 4


def test_settings_of_another_kind_are_refused() -> None:
    with pytest.raises(InvalidConfig):
        PushedPeopleCounter(PeopleSensorSite("tcp://h:1"), CLOCK)
