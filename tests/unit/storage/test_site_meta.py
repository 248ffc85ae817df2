"""Facts about the site by key."""

import asyncio
from pathlib import Path

from storage.database import Database
from storage.migrate import upgrade
from storage.site_meta import SiteMeta


async def test_values_are_put_replaced_and_kept_first(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    meta = SiteMeta(database)
    assert await meta.get("site") is None
    await meta.put("site", "a")
    await meta.put("site", "b")
    assert await meta.get("site") == "b"
    assert await meta.put_first("site", "c") == "b"
    answers = await asyncio.gather(*(meta.put_first("new", str(number)) for number in range(4)))
    assert len(set(answers)) == 1
    await database.dispose()
