"""Which actors are ended because they hang, and how long they may take to start."""

import asyncio
from datetime import UTC, datetime

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError

from orchestrator import hung
from orchestrator.hung import HUNG_MS, START_MS, HungActors, watched_actors
from orchestrator.settings import load_site
from resort.clock import ManualClock
from tests.conftest import DEMO


class Actors:
    """Actors that answer, hang, or are lost."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hung, "ANSWER_S", 0.01)
        self.clock = ManualClock(datetime(2026, 12, 1, tzinfo=UTC))
        self.hanging: set[str] = set()
        self.lost: set[str] = set()
        self.unreachable: set[str] = set()
        self.ended: list[str] = []
        self.watch = HungActors(["journal", "gate:north"], self.clock, self._ping, self.ended.append)

    async def _ping(self, name: str) -> None:
        if name in self.lost:
            raise ActorDiedError
        if name in self.unreachable:
            raise ActorUnavailableError("its connection is broken", None)
        if name in self.hanging:
            await asyncio.Event().wait()

    async def look(self, after_ms: float = 0.0) -> list[str]:
        self.clock.advance_ms(after_ms)
        await self.watch.look()
        return self.ended


@pytest.fixture
def actors(monkeypatch: pytest.MonkeyPatch) -> Actors:
    return Actors(monkeypatch)


async def test_who_hangs_is_ended_and_has_time_to_start_again(actors: Actors) -> None:
    await actors.look()
    actors.hanging.add("journal")
    assert await actors.look(HUNG_MS - 1) == []
    assert await actors.look(1) == ["journal"]
    assert await actors.look(START_MS - 1) == ["journal"], "it is being started"
    actors.hanging.clear()
    await actors.look()
    actors.hanging.add("journal")
    assert await actors.look(HUNG_MS) == ["journal", "journal"]


async def test_who_stands_still_so_long_that_ray_gives_up_the_connection_is_ended_too(actors: Actors) -> None:
    await actors.look()
    actors.unreachable.add("journal")
    assert await actors.look(HUNG_MS - 1) == []
    assert await actors.look(1) == ["journal"]


async def test_who_never_answered_or_was_lost_has_longer(actors: Actors) -> None:
    actors.hanging |= {"journal", "gate:north"}
    assert await actors.look(START_MS - 1) == []
    assert sorted(await actors.look(1)) == ["gate:north", "journal"]
    actors.hanging.clear()
    await actors.look()
    actors.lost.add("gate:north")
    await actors.look(1_000)
    actors.lost.clear()
    actors.hanging.add("gate:north")
    assert len(await actors.look(START_MS - 1)) == 2
    assert len(await actors.look(1)) == 3


def test_all_actors_of_a_site_but_lanes_are_looked_at() -> None:
    assert watched_actors(load_site(DEMO)) == [
        *("journal", "feed", "gate:village", "gate:north", "gate:summit", "pricing:0", "pricing:1", "inference:0"),
    ]
