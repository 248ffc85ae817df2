"""Policies that staff ordered for lanes: the newest counts, nobody else is the default."""

from pathlib import Path

from sim.ticket_shop import MORNING
from storage.database import Database
from storage.lane_policies import LanePolicies
from storage.migrate import upgrade


async def test_the_newest_order_counts(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    policies = LanePolicies(database)
    assert await policies.get_all() == {}
    await policies.set("village-fast", frozenset({"standard", "vip"}), "anna", MORNING)
    await policies.set("north-fast", frozenset({"standard"}), "anna", MORNING)
    await policies.set("village-fast", frozenset(), "cora", MORNING)
    assert await LanePolicies(database).get_all() == {"village-fast": frozenset(), "north-fast": frozenset({"standard"})}
    await database.dispose()
