"""What every people sensor has in common as a `PeopleCounter`: its newest count, for whoever asks.

How messages come: `devices/people_counter.py`, `devices/people_push.py`. Newest wins: totals only
grow, so nobody is lost by that.
"""

import asyncio
from collections.abc import AsyncIterator

from resort.clock import Clock
from resort.people import PeopleCount, PeopleReading, PeopleSensorSite, PeopleTally


class CountingSensor:
    """One sensor; `counted` for each of its messages."""

    def __init__(self, site: PeopleSensorSite, clock: Clock) -> None:
        self.latest: PeopleCount | None = None  # see the port
        self._tally = PeopleTally(site)
        self._clock = clock
        self._fetched: PeopleCount | None = None
        self._closed = False
        self._news = asyncio.Event()

    def counted(self, reading: PeopleReading) -> PeopleCount:
        """The count with this message; one that nobody fetched is replaced. Raises Invalid; nothing is counted then."""
        self.latest = self._tally.take(reading, self._clock.now())
        self._news.set()
        return self.latest

    async def counts(self) -> AsyncIterator[PeopleCount]:
        """See the port. For one consumer."""
        while not self._closed:
            if self.latest is None or self.latest is self._fetched:
                self._news.clear()
                await self._news.wait()
                continue
            self._fetched = self.latest
            yield self.latest

    async def close(self) -> None:
        """See the port. Idempotent."""
        self._closed = True
        self._news.set()
