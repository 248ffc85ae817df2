"""The gate actor as a plain object on a real SQLite file; no lane actor, other gate or ledger is there, as when all restart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from ray._private import auto_init_hook

from actors.gate import SILENT_MS, GateActor, GateHosting
from actors.lane_report import LaneReport
from orchestrator.settings import load_site
from resort.clock import ManualClock
from resort.errors import DatabaseUnavailable, NotFound
from resort.ids import GateId
from resort.messages import StaffActed
from resort.site_board import UNSERVED
from storage.database import Database
from storage.lane_modes import LaneModes
from storage.migrate import upgrade
from storage.tickets_sql import pending_orders
from tests.conftest import DEMO

AT = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
HOSTS = {"l1": "l1", "l2": "l1"}


@pytest.fixture(autouse=True)
def _ray_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the first `ray.get_actor` of a process would start a whole cluster."""
    monkeypatch.setattr(auto_init_hook, "enable_auto_connect", False)


def report(lane_id: str = "l1") -> LaneReport:
    return LaneReport(lane_id, "ready", "fine", "open", 3, 0, 42)


@pytest.fixture
async def url(tmp_path: Path) -> str:
    (tmp_path / "sql").mkdir()
    url = f"sqlite:///{tmp_path}/sql/snowgate.db"
    await upgrade(url)
    return url


def _hosting(url: str, gate_id: str, hosts: dict[str, str]) -> GateHosting:
    folder = Path(url.removeprefix("sqlite:///")).parent.parent
    return GateHosting(load_site(DEMO), GateId(gate_id), hosts, f"unix://{folder}/nobody.sock", url, "test", str(folder))


@asynccontextmanager
async def running(url: str, clock: ManualClock | None = None) -> AsyncIterator[GateActor]:
    gate = GateActor(_hosting(url, "g", HOSTS), clock or ManualClock(AT))
    await gate.start()
    try:
        yield gate
    finally:
        await gate.close()


async def test_lanes_are_open_until_somebody_orders_otherwise(url: str) -> None:
    async with running(url) as gate:
        assert await gate.ping()
        assert (await gate.take_reports([])).modes == {"l1": "open", "l2": "open"}


async def test_an_order_is_kept_over_a_restart_though_no_lane_is_there(url: str) -> None:
    async with running(url) as gate:
        await gate.order_mode("l2", "closed", "ann")
        assert (await gate.take_reports([report()])).modes == {"l1": "open", "l2": "closed"}
    async with running(url) as gate:
        assert (await gate.take_reports([])).modes == {"l1": "open", "l2": "closed"}
        await gate.order_mode("l2", "open", "ann")
    async with running(url) as gate:
        assert (await gate.take_reports([])).modes == {"l1": "open", "l2": "open"}


async def test_a_policy_is_kept_over_a_restart_and_every_order_waits_for_the_journal(url: str) -> None:
    async with running(url) as gate:
        assert (await gate.take_reports([])).policies == {}
        await gate.order_policy("l2", frozenset({"standard"}), "ann", "queue")
        await gate.order_mode("l1", "closed", "bob")
        with pytest.raises(NotFound):
            await gate.order_policy("l9", frozenset(), "ann", "")
    async with running(url) as gate:
        assert (await gate.take_reports([])).policies == {"l2": frozenset({"standard"})}
        await gate.order_policy("l2", frozenset(), "ann", "")
        assert (await gate.take_reports([])).policies == {"l2": frozenset()}
    database = Database(url)
    async with database.read() as connection:
        orders = [order.event for order in await pending_orders(connection, 10)]
    await database.dispose()
    assert all(isinstance(order, StaffActed) for order in orders)
    told = [(order.lane_id, order.by, order.action, order.note, order.outcome) for order in orders]  # type: ignore[union-attr]
    assert told == [
        ("l2", "ann", "policy", "queue", "standard"),
        ("l1", "bob", "mode", "", "closed"),
        ("l2", "ann", "policy", "", "nobody"),
    ]


class _Disk:
    """The folder of a SQLite file, which is taken away in one step: nothing can be opened there, nor made anew meanwhile."""

    def __init__(self, url: str) -> None:
        self._folder = Path(url.removeprefix("sqlite:///")).parent
        self._away = self._folder.with_name("away")

    def take_away(self) -> None:
        self._folder.rename(self._away)

    def bring_back(self) -> None:
        self._away.rename(self._folder)


async def test_a_gate_that_starts_while_sql_is_away_serves_by_what_it_knew_and_reads_sql_when_it_is_back(url: str) -> None:
    disk = _Disk(url)
    async with running(url) as gate:
        await gate.order_mode("l2", "closed", "ann")
        await gate.order_policy("l1", frozenset({"standard"}), "ann", "")
    disk.take_away()
    async with running(url) as gate:
        orders = await gate.take_reports([])
        assert (orders.modes, orders.policies) == ({"l1": "open", "l2": "closed"}, {"l1": frozenset({"standard"})})
        with pytest.raises(DatabaseUnavailable):
            await gate.order_mode("l2", "open", "ann")
        disk.bring_back()
        database = Database(url)
        await LaneModes(database).set("l1", "closed", "bob", AT)  # an order that the file never heard of
        await database.dispose()
        async with asyncio.timeout(30):
            while (await gate.take_reports([])).modes["l1"] != "closed":  # noqa: ASYNC110 - the gate tells nobody
                await asyncio.sleep(0.02)


async def test_a_gate_that_never_read_sql_waits_for_it(url: str) -> None:
    _Disk(url).take_away()
    gate = GateActor(_hosting(url, "g", HOSTS), ManualClock(AT))
    with pytest.raises(DatabaseUnavailable):
        await gate.start()


async def test_an_unknown_lane_is_not_found_and_nothing_is_stored(url: str) -> None:
    async with running(url) as gate:
        with pytest.raises(NotFound):
            await gate.order_mode("l9", "closed", "ann")
        assert (await gate.take_reports([])).modes == {"l1": "open", "l2": "open"}


async def test_a_lane_is_shown_as_it_reported_and_others_as_never_heard_of(url: str) -> None:
    async with running(url) as gate:
        await gate.take_reports([report()])
        heard, unheard = await gate.standings()
    assert (heard.lane_id, heard.state, heard.detail, heard.mode, heard.waiting, heard.pid) == (
        "l1",
        "ready",
        "fine",
        "open",
        3,
        42,
    )
    assert (unheard.lane_id, unheard.state, unheard.waiting) == ("l2", UNSERVED, None)


async def test_a_silent_lane_becomes_unserved_and_returns_with_its_next_report(url: str) -> None:
    clock = ManualClock(AT)
    async with running(url, clock) as gate:
        await gate.take_reports([report()])
        clock.advance_ms(SILENT_MS)
        assert (await gate.standings())[0].state == "ready"
        clock.advance_ms(1)
        silent = (await gate.standings())[0]
        assert (silent.state, silent.waiting, silent.pid) == (UNSERVED, None, 42)
        await gate.take_reports([report()])
        assert (await gate.standings())[0].state == "ready"


async def test_a_restarted_gate_knows_of_no_lane_until_it_reports(url: str) -> None:
    async with running(url) as gate:
        await gate.take_reports([report()])
    async with running(url) as gate:
        assert [standing.state for standing in await gate.standings()] == [UNSERVED, UNSERVED]


async def test_the_orders_of_one_gate_do_not_leak_into_another(url: str) -> None:
    async with running(url) as gate:
        await gate.order_mode("l1", "closed", "ann")
    other = GateActor(_hosting(url, "h", {"l7": "l7"}), ManualClock(AT))
    await other.start()
    assert (await other.take_reports([])).modes == {"l7": "open"}
    await other.close()


async def test_a_gate_passes_on_how_a_lanes_camera_sees(url: str) -> None:
    async with running(url) as gate:
        await gate.take_reports([msgspec.structs.replace(report(), camera="dull")])
        assert [standing.camera for standing in await gate.standings()] == ["dull", ""]
