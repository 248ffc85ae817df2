"""Policies that staff ordered for lanes: the newest counts, nobody else is the default."""

from datetime import timedelta
from pathlib import Path

import pytest

from resort.ids import EventId, GateId, LaneId
from resort.messages import StaffActed
from resort.site import LaneClass
from sim.ticket_shop import MORNING
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.lane_policies import LanePolicies, policy_at, policy_outcome
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


@pytest.mark.parametrize(
    ("minutes", "admitted"),
    [(-1, frozenset()), (0, {"standard", "vip"}), (9, {"standard", "vip"}), (10, frozenset()), (20, {"fast"})],
)
async def test_the_policy_of_a_time_is_the_last_order_before_it(tmp_path: Path, minutes: int, admitted: set[LaneClass]) -> None:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    policies, orders = LanePolicies(database), []
    for number, (after, classes) in enumerate([(0, {"standard", "vip"}), (10, set()), (20, {"fast"})]):
        at, admits = MORNING + timedelta(minutes=after), frozenset[LaneClass](classes)
        head = {"caused_by": "anna", "gate_id": GateId("north"), "lane_id": LaneId("north-1"), "by": "anna", "note": ""}
        for action, outcome in (("policy", policy_outcome(admits)), ("mode", "closed")):
            event_id = EventId(f"order_{action}{number}")
            orders.append(StaffActed(event_id=event_id, at=at, action=action, outcome=outcome, **head))
        await policies.set("north-1", admits, "anna", at)
    await JournalStore(database).store([(f"{at}-0", order) for at, order in enumerate(orders, 1)])
    async with database.read() as connection:
        assert await policy_at(connection, "north-1", MORNING + timedelta(minutes=minutes)) == admitted
        assert await policy_at(connection, "north-2", MORNING + timedelta(minutes=minutes)) == frozenset()
    await database.dispose()
