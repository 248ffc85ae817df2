"""The outlook on arrivals: the shipped model on a journal of five weeks, silence where there is too little, and its weight."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.arrival_outlook import ArrivalOutlook
from orchestrator.crowd_senses import CrowdSenses
from orchestrator.gate_sense import LaneNews
from orchestrator.settings import load_site
from resort.clock import Moment
from resort.crowd import ModelView, OutlookView
from resort.ids import EventId, GateId, GrantId, LaneId
from resort.messages import JournalEvent, PassageConfirmed
from resort.site import Site
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.migrate import upgrade
from tests.conftest import DEMO

SITE = load_site(DEMO)
NOW = datetime(2026, 12, 7, 10, 20, tzinfo=SITE.zone)
AN_HOUR = 6  # persons at the village gate in each hour from 8 to 16


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    yield database
    await database.dispose()


async def fill(database: Database, days: int, persons: Callable[[date, int], int] = lambda day, hour: AN_HOUR) -> None:
    """So many `persons` by day and hour, up to now."""
    events: list[tuple[str, JournalEvent]] = []
    for day in range(days, -1, -1):
        for hour in range(8, 16):
            at = (NOW - timedelta(days=day)).replace(hour=hour, minute=5)
            if at < NOW:
                events += [("", _passed(f"{day}-{hour}-{number}", at)) for number in range(persons(at.date(), hour))]
    await JournalStore(database).store(events)


def _passed(name: str, at: datetime) -> PassageConfirmed:
    return PassageConfirmed(
        event_id=EventId(name), caused_by="g", at=at.astimezone(UTC), gate_id=GateId("village"), lane_id=LaneId("village-1"),
        grant_id=GrantId(f"g{name}"), ticket_id=None, counter_in=1,
    )  # fmt: skip


async def said(database: Database, models: Path | None, site: Site = SITE) -> list[OutlookView]:
    outlook = ArrivalOutlook(site, database, models)
    await outlook.refresh(Moment(NOW.astimezone(UTC), 0))
    return outlook.views


async def test_after_four_weeks_the_model_tells_what_this_hour_should_bring(database: Database, tmp_path: Path) -> None:
    await fill(database, 36)
    views = {view.gate_id: view for view in await said(database, tmp_path)}
    village = views["village"]
    assert village.model.startswith("demand-hour@")
    assert village.hour == NOW.replace(minute=0).astimezone(UTC)
    assert village.p10 <= village.p50 <= village.p90
    assert AN_HOUR / 2 < village.p50 < AN_HOUR * 2


async def refreshed(database: Database, models: Path) -> ArrivalOutlook:
    outlook = ArrivalOutlook(SITE, database, models)
    await outlook.refresh(Moment(NOW.astimezone(UTC), 0))
    return outlook


async def test_it_knows_how_its_model_did_in_the_last_week(database: Database, tmp_path: Path) -> None:
    """Five full days, five quiet ones: a model an hour ahead sees that, a week ago does not."""
    await fill(database, 36, lambda day, hour: 6 + 10 * (day.toordinal() // 5 % 2))
    outlook = await refreshed(database, tmp_path)
    view = outlook.model_view
    assert view.model.startswith("demand-hour@")
    assert view.drift is not None
    assert view.drift < view.threshold
    assert view.looks >= 50
    assert not view.drifted
    assert outlook.views


async def test_a_model_that_errs_more_than_a_week_ago_is_not_listened_to(database: Database, tmp_path: Path) -> None:
    """The same strange week again and again, but for one hour: no model learnt that, and a week ago tells it all."""
    strange = (2, 21, 5, 30, 1, 17, 9)
    changed = (NOW - timedelta(days=2)).date()
    await fill(database, 36, lambda day, hour: strange[(3 * day.weekday() + 5 * hour) % 7] + (day == changed and hour == 12))
    outlook = await refreshed(database, tmp_path)
    view = outlook.model_view
    assert view.drift is not None
    assert view.drift > view.threshold
    assert view.drifted
    assert outlook.views == []


async def test_without_a_model_there_is_no_drift(database: Database) -> None:
    outlook = ArrivalOutlook(SITE, database, None)
    assert outlook.model_view == ModelView("arrivals", "", None, 1.0, 0)


@pytest.mark.parametrize("days", [0, 6])
async def test_with_less_it_says_nothing(database: Database, tmp_path: Path, days: int) -> None:
    if days:
        await fill(database, days)
    assert await said(database, tmp_path) == []


async def test_switched_off_or_without_a_model_that_can_be_opened_it_says_nothing(database: Database, tmp_path: Path) -> None:
    await fill(database, 36)
    assert await said(database, None) == []
    (tmp_path / "demand.json").write_text("no list")
    assert await said(database, tmp_path) == []


def test_its_word_weighs_by_how_sure_it_is_and_grows_old() -> None:
    senses = CrowdSenses(SITE)
    senses.see({"village": [LaneNews("village-1", "standard", True, False, False, False, 0)]}, [], 10.0)
    plain = senses.estimate("village", 10.0)
    hour = NOW.astimezone(UTC).replace(minute=0)
    sure = OutlookView("village", hour, 380.0, 400.0, 420.0, "m")
    senses.foresee([sure], NOW)
    told = senses.estimate("village", 10.0)
    unsure = OutlookView("village", hour, 0.0, 400.0, 4_000.0, "m")
    senses.foresee([unsure], NOW)
    assert plain.next_quarter < senses.estimate("village", 10.0).next_quarter < told.next_quarter <= 100.0
    senses.foresee([sure], NOW + timedelta(hours=2))
    assert senses.estimate("village", 10.0).next_quarter == plain.next_quarter
