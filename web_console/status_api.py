"""The public status over HTTP: anybody may ask, as often as he likes; it is computed at most once a second."""

import asyncio
import contextlib

from resort.clock import Clock, Moment
from resort.crowd import CrowdControl, CrowdView
from resort.errors import SnowgateError
from resort.public_status import PublicStatus, public_status
from resort.site import Site
from web_console.callers import ANYONE
from web_console.feed_hub import FeedHub
from web_console.routes import Call, Route

FRESH_MS = 1_000.0


class StatusApi:
    """`crowd`: None where the site opened none; waits are then not told."""

    def __init__(self, site: Site, hub: FeedHub, crowd: CrowdControl | None, clock: Clock) -> None:
        self._site = site
        self._hub = hub
        self._crowd = crowd
        self._clock = clock
        self._told: tuple[PublicStatus, Moment] | None = None
        self._asking = asyncio.Lock()

    def routes(self) -> list[Route]:
        """This part of the table."""
        return [
            Route("GET", "/api/status", self.status, ANYONE, "Lifts and gates for the public: state, wait, signs",
                  answer=PublicStatus, problems=(503,)),
        ]  # fmt: skip

    async def status(self, call: Call) -> PublicStatus:
        """As it was at most a second ago. Raises Unavailable while the feed is away."""
        async with self._asking:
            now = self._clock.now()
            if self._told is None or now.ms_since(self._told[1]) >= FRESH_MS:
                self._told = public_status(self._site, self._hub.board(), await self._view(), now.at), now
            return self._told[0]

    async def _view(self) -> CrowdView | None:
        if self._crowd is not None:
            with contextlib.suppress(SnowgateError):
                return await self._crowd.view()
        return None
