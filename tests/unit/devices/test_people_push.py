"""People sensors that post their counts, to a real web application that answers errors by the console's own table."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web

from devices.people_push import BODY_MAX, PeopleInbox, PushedPeopleCounter, people_routes
from resort.clock import ManualClock
from resort.errors import Invalid, InvalidConfig, SnowgateError
from resort.people import PeopleSensorSite
from resort.ports import PeopleCounter
from web_console.problems import status_of

CLOCK = ManualClock(datetime(2027, 1, 2, 9, 0, tzinfo=UTC))
KEY = "a-long-enough-key"
PUSH = PeopleSensorSite("push")


@pytest.fixture
def sensor() -> PushedPeopleCounter:
    return PushedPeopleCounter(PUSH, KEY, CLOCK)


@pytest.fixture
async def url(sensor: PushedPeopleCounter) -> AsyncIterator[str]:
    @web.middleware
    async def answers(request: web.Request, handler: object) -> web.StreamResponse:
        try:
            return await handler(request)  # type: ignore[operator,no-any-return]
        except SnowgateError as error:
            return web.Response(status=status_of(error))

    application = web.Application(middlewares=[answers])
    application.add_routes(people_routes(PeopleInbox({"north": sensor})))
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/people"
    await runner.cleanup()


async def post(url: str, body: bytes, key: str | None = f"Bearer {KEY}") -> int:
    headers = {} if key is None else {"Authorization": key}
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status


async def test_what_is_posted_is_counted(url: str, sensor: PushedPeopleCounter) -> None:
    counter: PeopleCounter = sensor
    counts = counter.counts()
    assert await post(f"{url}/north", b'{"entered": 40, "left": 9}') == 204
    assert await post(f"{url}/north", b'{"entered": 43, "left": 9, "waiting": 2}') == 204
    count = await anext(counts)
    assert (count.entered, count.left, count.waiting) == (3, 0, 2)
    assert counter.latest == count
    await counter.close()
    assert [count async for count in counts] == []


@pytest.mark.parametrize(
    ("name", "key"),
    [("north", None), ("north", "Bearer wrong"), ("north", f"Basic {KEY}"), ("south", f"Bearer {KEY}"), ("north", "Bearer é")],
)
async def test_a_stranger_counts_nothing_and_learns_nothing(
    url: str, sensor: PushedPeopleCounter, name: str, key: str | None
) -> None:
    assert await post(f"{url}/{name}", b'{"entered": 40}', key) == 401
    assert sensor.latest is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"entered": -1}',
        b'{"entered": 1.5}',
        b'{"entered": 4294967296}',
        b'{"waiting": 10001}',
        b'{"entered": 1, "in": 2}',
        b'{"number": 3}',
        b'{"entered": 1}' + b" " * BODY_MAX,
        b"[" * 1_000,
    ],
)
async def test_nonsense_is_refused_and_counts_nothing(url: str, sensor: PushedPeopleCounter, body: bytes) -> None:
    assert await post(f"{url}/north", body) == 422
    assert sensor.latest is None


async def test_steps_need_a_number_so_that_a_post_that_comes_twice_counts_once() -> None:
    sensor = PushedPeopleCounter(PeopleSensorSite("push", counts="step"), KEY, CLOCK)
    with pytest.raises(Invalid):
        sensor.take(b'{"entered": 2}')
    for _ in range(2):
        count = sensor.take(b'{"entered": 2, "number": 7}')
    assert count.entered == 2
    assert sensor.take(b'{"waiting": 4}').waiting == 4


@pytest.mark.parametrize(
    ("site", "key"), [(PeopleSensorSite("tcp://h:1"), KEY), (PUSH, "short"), (PUSH, "schlüssel-schlüssel")]
)
def test_settings_that_cannot_be_used_are_refused(site: PeopleSensorSite, key: str) -> None:
    with pytest.raises(InvalidConfig):
        PushedPeopleCounter(site, key, CLOCK)
