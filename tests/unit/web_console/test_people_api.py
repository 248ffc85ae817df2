"""People sensors over a real console: who may post, what is counted, who reads it."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import aiohttp
import msgspec
import pytest

from orchestrator.people import PeopleDesk
from resort.alarm_levels import SensorSight
from resort.clock import ManualClock
from resort.site import PeopleSensorSite
from tests.unit.web_console.fakes import FakeResort

KEY, OTHER = "sensor-key-1", "sensor-key-2"


async def nobody(sights: Sequence[SensorSight]) -> None:
    """The watch is not asked here."""


@pytest.fixture
async def desk(resort: FakeResort) -> AsyncIterator[PeopleDesk]:
    site = msgspec.structs.replace(resort.site, people={"queue": PeopleSensorSite("push", gate="village")})
    desk = PeopleDesk(site, ManualClock(datetime(2027, 1, 2, tzinfo=UTC)), nobody)
    desk.start()
    resort.people = desk
    resort.accounts.channels |= {KEY: "people-queue", OTHER: "people-door"}
    yield desk
    await desk.close()


async def post(client: aiohttp.ClientSession, key: str | None, body: object, name: str = "queue") -> int:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with client.post(f"/api/people/{name}", json=body, headers=headers) as answer:
        return answer.status


async def test_a_sensor_posts_and_staff_and_prometheus_read_it(
    desk: PeopleDesk, client: aiohttp.ClientSession, as_staff
) -> None:  # type: ignore[no-untyped-def]
    assert await post(client, KEY, {"entered": 40}) == 204
    assert await post(client, KEY, {"entered": 43, "waiting": 2}) == 204
    staff = await as_staff("anna")
    async with staff.get("/api/people") as answer:
        (sensor,) = (await answer.json())["sensors"]
    assert (sensor["name"], sensor["gate_id"], sensor["entered"], sensor["waiting"], sensor["silent_s"]) == (
        "queue", "village", 3, 2, 0.0,
    )  # fmt: skip
    async with client.get("/metrics") as answer:
        page = await answer.text()
    assert 'snowgate_people_entered_total{gate="village",sensor="queue"} 3.0' in page
    assert 'snowgate_people_sensor_silent_seconds{gate="village",sensor="queue"} 0.0' in page


@pytest.mark.parametrize(
    ("key", "name", "status"), [(None, "queue", 401), ("wrong", "queue", 401), (OTHER, "queue", 404), (KEY, "door", 404)]
)
async def test_strangers_and_other_sensors_count_nothing(
    desk: PeopleDesk, client: aiohttp.ClientSession, key: str | None, name: str, status: int
) -> None:
    assert await post(client, key, {"entered": 40}, name) == status
    assert desk.readings()[0].count is None


@pytest.mark.parametrize("body", [{}, {"number": 3}, {"entered": -1}, {"entered": "1"}, {"in": 1}, []])
async def test_nonsense_is_refused_and_counts_nothing(desk: PeopleDesk, client: aiohttp.ClientSession, body: object) -> None:
    assert await post(client, KEY, body) == 422
    assert desk.readings()[0].count is None


async def test_a_sensors_key_sells_nothing_and_a_shops_key_counts_nobody(
    desk: PeopleDesk, resort: FakeResort, client: aiohttp.ClientSession
) -> None:
    resort.accounts.channels["shop-key"] = "shop"
    assert await post(client, "shop-key", {"entered": 40}) == 403
    async with client.get("/api/orders/o1", headers={"Authorization": f"Bearer {KEY}"}) as answer:
        assert answer.status == 403
    async with client.get("/api/people", headers={"Authorization": f"Bearer {KEY}"}) as answer:
        assert answer.status == 403
