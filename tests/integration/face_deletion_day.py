"""A face is deleted over HTTP while inference actors hold it; run by `test_face_deletion.py` in a process of its own.

Real Ray, actors, models, SQL, console and photographs. Writes what happened, step by step, as JSON into the folder it is given.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec

from orchestrator.cluster import start_local_ray
from orchestrator.parts import OpenResort
from resort.clock import SystemClock
from resort.feed import Snapshot
from resort.ids import RandomIds, TicketId
from sales.faces import FaceOffice
from sim.memory_feed import MemoryFeed
from sim.ticket_shop import open_shop
from storage.accounts import Accounts
from storage.database import Database
from storage.face_keys import FaceKeys
from storage.faces_sql import FaceStore
from tests.integration.face_pool_day import LOOK_S, PATIENCE_S, SHARDS, VILLAGE, PoolDay, pool_ticket
from tests.integration.test_stage import NoAlarms, NoGates
from web_console.window import ConsoleWindow

CHANNEL = "shop"  # which sold the day's tickets


class DeletionDay(PoolDay):
    """Two holders, one in each shard: what both ways say of the first one, before and after each deletion."""

    async def run(self) -> None:
        """The whole day."""
        self.one, self.two = pool_ticket(0), pool_ticket(1)
        await self.store.open([self.one, self.two])
        await asyncio.to_thread(start_local_ray, Path(self._ray.name), SHARDS)
        try:
            self._open()
            await self._until_whole()
            async with self._console() as shop:
                await self._deleted_and_told(shop)
                await self._deleted_while_an_actor_is_frozen(shop)
            await asyncio.gather(*(handle.close.remote() for handle in self._handles))
        finally:
            await self._end()
        (self._folder / "seen.json").write_bytes(msgspec.json.encode(self.seen))

    async def _deleted_and_told(self, shop: aiohttp.ClientSession) -> None:
        self.seen["before"] = await self._known()
        await self._enrol_over_http(shop, self.one, "one_1")
        await self._enrol_over_http(shop, self.two, "two")
        self.seen["enrolled"] = await self._known()
        began = SystemClock().now()
        await self._delete(shop)
        self.seen["told"] = await self._known()
        self.seen["told_s"] = SystemClock().now().ms_since(began) / 1000
        self.seen["standing"] = await self._standing(shop)
        self.seen["other_stays"] = await self._compared(self.two, "two")

    async def _deleted_while_an_actor_is_frozen(self, shop: aiohttp.ClientSession) -> None:
        """The actor that has the face is stopped while it is deleted, and hears of it only by looking itself."""
        await self._enrol_over_http(shop, self.one, "one_1")
        self.seen["enrolled_again"] = await self._known()
        pid = await self._handles[0].ping.remote()
        os.kill(pid, signal.SIGSTOP)
        try:
            began = SystemClock().now()
            await self._delete(shop)
            self.seen["while_frozen"] = [await self._compared(self.one, "one_2"), await self._compared(self.two, "two")]
        finally:
            os.kill(pid, signal.SIGCONT)
        async with asyncio.timeout(PATIENCE_S):
            while await self._known() != self.seen["before"]:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(LOOK_S)
        self.seen["thawed_s"] = SystemClock().now().ms_since(began) / 1000
        self.seen["thawed"] = await self._known()
        self.seen["same_process"] = await self._handles[0].ping.remote() == pid
        self.seen["other_still_stays"] = await self._compared(self.two, "two")

    async def _known(self) -> list[object]:
        """What 1:1 and 1:N say when the first holder stands there."""
        return [await self._compared(self.one, "one_2"), await self._named(VILLAGE, "one")]

    # ---- over HTTP

    async def _enrol_over_http(self, shop: aiohttp.ClientSession, ticket_id: TicketId, picture: str) -> None:
        async with shop.get("/api/face-consent") as answer:
            wording = (await answer.json())["version"]
        params = {"wording": wording, "given_by": "holder", "age": "14_or_over"}
        headers = {"Content-Type": "image/jpeg"}
        async with shop.post(
            f"/api/tickets/{ticket_id}/face", params=params, data=self._pictures[picture], headers=headers
        ) as answer:
            assert answer.status == 200, await answer.text()
            assert (await answer.json())["enrolled"]

    async def _delete(self, shop: aiohttp.ClientSession) -> None:
        async with shop.delete(f"/api/tickets/{self.one}/face") as answer:
            assert answer.status == 200, await answer.text()

    async def _standing(self, shop: aiohttp.ClientSession) -> list[object]:
        async with shop.get(f"/api/tickets/{self.one}/face") as answer:
            standing = await answer.json()
        return [standing["enrolled"], [consent["reason"] for consent in standing["consents"]]]

    @asynccontextmanager
    async def _console(self) -> AsyncIterator[aiohttp.ClientSession]:
        """The site's console, as the channel that sold the tickets talks to it."""
        static = self._folder / "static"
        static.mkdir()
        (static / "index.html").write_text("<!doctype html>", encoding="utf-8")
        clock, ids = SystemClock(), RandomIds()
        site = msgspec.structs.replace(self.site, runtime=msgspec.structs.replace(self.site.runtime, console_port=0))
        database = Database(self.store.url)
        office = FaceOffice(
            database, FaceStore(database, FaceKeys(self.store.keys)), site, clock, ids, self.client, self.client
        )
        accounts = Accounts(database, clock, ids)
        key = await accounts.create_channel_key("a shop", CHANNEL)
        feed = MemoryFeed(Snapshot(1, clock.now().at, site.name, [], [], []))
        window = ConsoleWindow(static)
        async with open_shop(self.store.url, site, clock, ids) as shop:
            resort = OpenResort(
                site, clock, ids, shop.office, accounts, feed, NoGates(), shop.desk, NoAlarms(), face_office=office
            )
            try:
                address = await window.start(resort)
                async with aiohttp.ClientSession(address, headers={"Authorization": f"Bearer {key}"}) as session:
                    yield session
            finally:
                await window.stop()
                await office.close()
                await database.dispose()


if __name__ == "__main__":
    asyncio.run(DeletionDay(Path(sys.argv[1])).run())
