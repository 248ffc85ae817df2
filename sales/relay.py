"""The outbox relay: tells the lanes of issued tickets, at once when it can and again until it could.

Tickets reach the outbox in the unit of work that issues them; here they are published and ticked off. A ticket can be
published twice (after a crash in between, or by two relays), which changes nothing: publishing is idempotent.
"""

import asyncio
import logging

from resort.clock import Clock
from resort.errors import Unavailable
from resort.ports import EntitlementPublisher
from storage.database import Database
from storage.orders_sql import mark_published, pending_entitlements

BATCH = 256
_log = logging.getLogger("snowgate.sales")


class EntitlementRelay:
    """Publishes what stands in the outbox, in order."""

    def __init__(self, db: Database, publisher: EntitlementPublisher, clock: Clock) -> None:
        self._db = db
        self._publisher = publisher
        self._clock = clock
        # One at a time: sales that end together are published by the first and found done by the others.
        self._turn = asyncio.Lock()
        self._away = False

    async def publish_pending(self) -> int:
        """Publish every ticket that the lanes do not know yet; answers how many. Raises Unavailable; call again then."""
        published = 0
        async with self._turn:
            full = True
            while full:
                async with self._db.read() as connection:
                    pending = await pending_entitlements(connection, BATCH)
                full = len(pending) == BATCH
                if not pending:
                    break
                await self._publisher.publish([(ticket_id, record) for _, ticket_id, record in pending])
                async with self._db.write() as connection:
                    await mark_published(connection, [place for place, _, _ in pending], self._clock.now().at)
                published += len(pending)
        return published

    async def try_publish(self) -> None:
        """Publish, or leave it to the next time when a part is away: the tickets are sold either way."""
        try:
            await self.publish_pending()
        except Unavailable as error:
            if not self._away:
                _log.warning("issued tickets wait for the lanes to be told: %s", error)
            self._away = True
        except Exception:
            # A mistake in publishing must not turn a sale that is done into an error for the buyer.
            _log.exception("issued tickets could not be published")
        else:
            if self._away:
                _log.info("the lanes are told of issued tickets again")
            self._away = False
