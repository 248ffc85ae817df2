"""A ledger that can be taken away, and what tests of its loss ask of a site."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from resort.errors import LedgerUnavailable
from resort.ids import TicketId
from storage.redis_client import connect
from storage.redis_ledger import LedgerKeys
from storage.valkey_server import ValkeyServer
from tests.integration.offline_lane import Lane
from tests.integration.offline_site import SITE, OfflineSite

KEYS = LedgerKeys(SITE)


@dataclass
class Store:
    """A Valkey that can be taken away: stopped for good, or frozen."""

    server: ValkeyServer
    folder: Path

    @property
    def url(self) -> str:
        return self.server.url

    async def kill(self) -> None:
        """Take it away until `start`."""
        pid = self.server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await self.server.stop()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It accepts connections and answers nothing for the block."""
        pid = self.server.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    async def wipe(self) -> None:
        """Let it forget everything."""
        client = connect(self.url)
        await client.flushall()
        await client.aclose()

    async def start(self, *, empty: bool = False, fenced: bool = True) -> None:
        """Bring it back, with what its append-only file still has, or with nothing; fenced as our own one is."""
        if empty:
            for part in (self.folder / "data").rglob("*.aof*"):
                part.unlink()
        await self.server.start()
        if fenced:
            client = connect(self.url)
            await client.delete(KEYS.epoch)
            await client.aclose()


async def show_everywhere(site: OfflineSite, tickets: list[TicketId]) -> Counter[TicketId]:
    """Each ticket at every lane at once; how often each was granted by anybody so far."""

    async def show(lane: Lane, ticket: TicketId) -> None:
        while True:
            try:
                await lane.show(ticket)
                return
            except LedgerUnavailable:
                await asyncio.sleep(0.02)

    async def work(lane: Lane) -> None:
        for ticket in tickets:
            await show(lane, ticket)

    await asyncio.gather(*(work(lane) for lane in site.lanes))
    return turns(site)


def turns(site: OfflineSite) -> Counter[TicketId]:
    return Counter(ticket for lane in site.lanes for ticket in lane.turned)


def at(site: OfflineSite, kind: str) -> bool:
    return all(lane.ledger.route.kind == kind for lane in site.lanes)
