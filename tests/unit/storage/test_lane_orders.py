"""A gate's own copy of the orders for its lanes: there from the first start on, and read when SQL is away."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from resort.errors import DatabaseUnavailable
from resort.ids import EventId, GateId, LaneId
from resort.messages import StaffActed
from storage.database import Database
from storage.lane_orders import KeptLaneOrders
from storage.migrate import upgrade

AT = datetime(2026, 12, 5, 9, tzinfo=UTC)
CLOSE = StaffActed(
    event_id=EventId("o1"), caused_by="chief", at=AT, gate_id=GateId("g"), lane_id=LaneId("g-1"), by="chief",
    action="close", note="", outcome="",
)  # fmt: skip


async def test_orders_are_kept_in_a_folder_that_is_not_there_yet_and_read_without_sql(tmp_path: Path) -> None:
    url, file = f"sqlite:///{tmp_path}/snowgate.db", tmp_path / "spool" / "g.orders"
    await upgrade(url)
    database = Database(url)
    orders = KeptLaneOrders(database, file)
    await orders.load()
    assert file.exists()
    await orders.set_mode("g-1", "close", "chief", AT, CLOSE)
    await database.dispose()

    away = Database(f"sqlite:///{tmp_path}/nowhere/snowgate.db")
    kept = KeptLaneOrders(away, file)
    assert (await kept.load()).modes == {"g-1": "close"}
    assert not kept.current
    with pytest.raises(DatabaseUnavailable):
        await KeptLaneOrders(away, tmp_path / "none.orders").load()
    await away.dispose()
