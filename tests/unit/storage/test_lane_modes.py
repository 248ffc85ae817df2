"""Ordered lane modes outlive the process that stored them."""

from datetime import UTC, datetime
from pathlib import Path

from storage.database import Database
from storage.lane_modes import LaneModes
from storage.migrate import upgrade

AT = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)


async def test_the_newest_order_of_each_lane_counts_after_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    modes = LaneModes(database)
    assert await modes.get_all() == {}
    await modes.set("l1", "closed", "ann", AT)
    await modes.set("l2", "closed", "ann", AT)
    await modes.set("l1", "open", "bo", AT)
    await database.dispose()
    again = Database(url)
    assert await LaneModes(again).get_all() == {"l1": "open", "l2": "closed"}
    await again.dispose()
