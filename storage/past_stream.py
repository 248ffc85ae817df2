"""Events that reach SQL past the ledger's stream: told by lanes while the ledger is lost, or left in a dead process's spool.

SQL keeps each event once, so what also comes by the stream does no harm. As gates that were cut off may have admitted on one
ticket too often, each ticket whose use is told is looked at again as a whole, and what is found becomes an event.
"""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from resort.access.reconcile import find_conflict
from resort.errors import SpoolFull
from resort.ids import TicketId
from resort.messages import AdmissionConflict, GrantOutcomeUnknown, JournalEvent, PassageConfirmed
from storage.journal_sql import PAST_STREAM, JournalStore
from storage.ledger_books import LedgerBooks
from storage.spool import SUFFIX, read_spool

BATCH = 500
_log = logging.getLogger("snowgate.journal")


async def store_past_stream(journal: JournalStore, books: LedgerBooks, events: Sequence[JournalEvent]) -> int:
    """Store events, and the conflicts that come to light by them; answers how many events were new. Idempotent.

    Raises DatabaseUnavailable; then any part may be stored.
    """
    new = 0
    for start in range(0, len(events), BATCH):
        batch = events[start : start + BATCH]
        new += await journal.store([(PAST_STREAM, event) for event in batch])
        conflicts = await _conflicts(books, batch)
        if await journal.store([(PAST_STREAM, conflict) for conflict in conflicts]):
            for conflict in conflicts:
                _log.warning("ticket %s admitted %s persons, %s allowed", conflict.ticket_id, conflict.used, conflict.allowed)
    return new


async def store_spools(journal: JournalStore, books: LedgerBooks, folder: Path) -> int:
    """Store what the spools of dead processes hold; answers how many events were new. For a site that is about to open.

    A file that cannot be read stays as it is and is told of; its lane will say so again. Raises DatabaseUnavailable.
    """
    new = 0
    for path in await asyncio.to_thread(lambda: sorted(folder.glob(f"*{SUFFIX}"))):
        try:
            events = await asyncio.to_thread(read_spool, path)
        except SpoolFull as error:
            _log.error("the spool %s cannot be read: %s", path.name, error.detail)
            continue
        if events is None:
            _log.warning("the spool %s has a living owner, who will tell what is in it", path.name)
            continue
        new += await store_past_stream(journal, books, events)
    return new


async def _conflicts(books: LedgerBooks, events: Sequence[JournalEvent]) -> list[AdmissionConflict]:
    used = {
        event.ticket_id
        for event in events
        if isinstance(event, PassageConfirmed | GrantOutcomeUnknown) and event.ticket_id is not None
    }
    if not used:
        return []
    conflicts: list[AdmissionConflict] = []
    ids: list[TicketId] = sorted(used)
    known = await books.ticket_events(ids)
    for ticket_id, allowed in await books.entitlements_of(ids):
        conflict = find_conflict(ticket_id, allowed, known.get(ticket_id, []))
        if conflict is not None:
            conflicts.append(conflict)
    return conflicts
