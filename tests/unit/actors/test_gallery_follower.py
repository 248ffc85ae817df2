"""Galleries that follow the stored faces: news, looking by itself, a store that is away, a day that turns."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from actors.face_galleries import FaceGalleries
from actors.face_messages import ShardRanking
from actors.gallery_follower import PAGE, STALE_MS, GalleryFollower
from resort.access.service_day import service_day
from resort.clock import ManualClock
from resort.errors import DatabaseUnavailable, FacesUnavailable
from resort.faces import FaceChange
from resort.ids import GateId
from resort.site import Site
from sim.memory_faces import MemoryFaces
from tests.unit.actors.face_world import MODEL, TODAY, Inline, face_of, stored, ticket

VILLAGE = GateId("village")
NOON = datetime(2026, 12, 5, 4, 0, tzinfo=UTC)  # 12:00 at the demo resort


class World:
    """A follower, its store and its clock."""

    def __init__(self, site: Site, store: MemoryFaces | None = None) -> None:
        self.store = store or MemoryFaces()
        self.clock = ManualClock(NOON)
        self.wrong = timedelta()  # by which the wall clock is off
        self.follower = GalleryFollower(
            self.store,
            lambda day: FaceGalleries(site, 0, 1, MODEL, day),
            lambda: service_day(self.clock.now().at + self.wrong, site.zone, site.admission.day_begins),
            self.clock,
            Inline(),
        )

    async def rank(self, number: int) -> ShardRanking:
        """Who is like the face of that number."""
        return await self.follower.ask(lambda galleries: galleries.rank(VILLAGE, [face_of(number)]))


@pytest.fixture
def world(demo_site: Site) -> World:
    """With two faces stored, not read yet."""
    made = World(demo_site)
    made.store.enrol(stored(ticket(1), face_of(1)))
    made.store.enrol(stored(ticket(2), face_of(2)))
    return made


async def test_nothing_is_said_before_the_first_whole_reading(world: World) -> None:
    with pytest.raises(FacesUnavailable, match="being read"):
        await world.rank(1)
    assert world.follower.holders is None
    await world.follower.look()
    assert (await world.rank(1)).holders == world.follower.holders == 2


async def test_news_are_taken_when_it_returns(world: World) -> None:
    await world.follower.look()
    world.store.enrol(stored(ticket(3), face_of(3)))
    assert (await world.rank(3)).whole.holder != ticket(3), "a control: not told yet"
    await world.follower.catch_up()
    assert (await world.rank(3)).whole.holder == ticket(3)
    world.store.forget(ticket(3))
    await world.follower.catch_up()
    assert (await world.rank(3)).whole.holder != ticket(3)


async def test_lost_news_are_made_up_for_by_looking(world: World) -> None:
    await world.follower.look()
    world.store.forget(ticket(1))
    await world.follower.look()
    assert (await world.rank(1)).whole.holder == ticket(2)


async def test_more_than_a_page_is_read_whole(world: World) -> None:
    for number in range(3, PAGE + 20):
        world.store.enrol(stored(ticket(number), face_of(number % 7)))
    await world.follower.look()
    assert world.follower.holders == PAGE + 19


async def test_a_store_that_is_away_costs_the_gallery_within_the_minute(world: World) -> None:
    """Whoever is forgotten meanwhile could not be known: nobody is named any more."""
    await world.follower.look()
    world.store.away = True
    world.clock.advance_ms(STALE_MS - 1)
    await world.follower.look()
    assert (await world.rank(1)).holders == 2, "a control: not at once"
    world.clock.advance_ms(2)
    with pytest.raises(FacesUnavailable):
        await world.rank(1)
    assert world.follower.holders is None
    await world.follower.look()
    world.store.forget(ticket(1))
    world.store.away = False
    with pytest.raises(FacesUnavailable):
        await world.rank(2)
    await world.follower.look()
    ranking = await world.rank(1)
    assert (ranking.holders, ranking.whole.holder) == (1, ticket(2))


async def test_whoever_tells_is_told_when_the_store_is_away(world: World) -> None:
    world.store.away = True
    with pytest.raises(DatabaseUnavailable):
        await world.follower.catch_up()
    await world.follower.look()


async def test_a_new_day_is_kept_without_any_reading(world: World) -> None:
    """Five in the morning, when the demo resort's day begins."""
    tomorrow = TODAY + timedelta(days=1)
    world.store.enrol(stored(ticket(3), face_of(3), valid_on=tomorrow, valid_until=tomorrow))
    await world.follower.look()
    world.clock.advance_ms((17 * 3600 - 1) * 1000)
    await world.follower.look()
    assert (await world.rank(3)).holders == 2, "a control: before five it is still the old day"
    readings = world.store.readings
    world.clock.advance_ms(2000)
    ranking = await world.rank(3)
    assert (ranking.holders, ranking.whole.holder) == (1, ticket(3))
    assert world.store.readings == readings


async def test_a_day_that_is_set_back_is_read_anew(world: World) -> None:
    world.wrong = timedelta(days=1)
    await world.follower.look()
    assert world.follower.holders == 0, "a control: both tickets were over"
    world.wrong = timedelta()
    with pytest.raises(FacesUnavailable, match="set back"):
        await world.rank(1)
    await world.follower.look()
    assert (await world.rank(1)).whole.holder == ticket(1)


class SlowFaces(MemoryFaces):
    """Answers when told to, with what was stored when it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.asked = asyncio.Event()

    async def after(self, version: int, limit: int) -> Sequence[FaceChange]:
        """See the port."""
        changes = await super().after(version, limit)
        self.asked.set()
        await self.go.wait()
        return changes


async def test_a_reading_that_began_before_the_news_does_not_count(demo_site: Site) -> None:
    """Nor is there one for each of many who tell at once."""
    slow = SlowFaces()
    slow.enrol(stored(ticket(1), face_of(1)))
    world = World(demo_site, slow)
    looking = asyncio.create_task(world.follower.look())
    await slow.asked.wait()
    slow.enrol(stored(ticket(3), face_of(3)))
    telling = [asyncio.create_task(world.follower.catch_up()) for _ in range(20)]
    await asyncio.sleep(0)
    slow.go.set()
    await asyncio.gather(looking, *telling)
    assert (await world.rank(3)).whole.holder == ticket(3)
    assert slow.readings < 8
