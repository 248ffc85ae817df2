"""The admission ledger of a virtual day: compare-and-set as everywhere, called straight, with a digest in place of a journal.

`sim/memory_ledger.py` keeps every event and answers through the asynchronous port; a Saturday has 300,000 events.
"""

import hashlib
from collections import Counter
from collections.abc import Callable

from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.access.usage import use
from resort.ids import TicketId
from resort.messages import GrantAnnulled, GrantIssued, GrantOutcome, JournalEvent, TicketExited, encode_event

Watcher = Callable[[JournalEvent], None]
Keeper = Callable[[bytes], object]


class VirtualLedger:
    """Tickets by id, and the digest of every event in order. `watch` is told of each event, `keep` gets its line."""

    def __init__(self, watch: Watcher | None = None, keep: Keeper | None = None) -> None:
        self.tickets: dict[TicketId, TicketRecord] = {}
        self.kinds: Counter[str] = Counter()
        self.conflicts = 0
        self._digest = hashlib.sha256()
        self._watch = watch
        self._keep = keep

    @property
    def digest(self) -> str:
        """SHA-256 over the journal's lines so far."""
        return self._digest.hexdigest()

    def sell(self, ticket_id: TicketId, entitlement: Entitlement) -> None:
        """Make a ticket known."""
        self.tickets[ticket_id] = TicketRecord(1, entitlement, Usage())

    def grant(self, grant: GrantIssued, expected: TicketRecord | None, usage: Usage | None) -> bool:
        """Store the grant if the ticket is as `expected`; False: it changed meanwhile, and nothing is stored."""
        if grant.ticket_id is not None and expected is not None and usage is not None:
            present = self.tickets[grant.ticket_id]
            if present.version != expected.version:
                self.conflicts += 1
                return False
            self.tickets[grant.ticket_id] = TicketRecord(expected.version + 1, expected.entitlement, usage)
        self.append(grant)
        return True

    def change(self, event: GrantOutcome | GrantAnnulled | TicketExited) -> None:
        """Store an outcome or a correction, with what it does to its ticket."""
        if event.ticket_id is not None and (record := self.tickets.get(event.ticket_id)) is not None:
            used = use(record.usage, event)
            self.tickets[event.ticket_id] = TicketRecord(record.version + 1, record.entitlement, used)
        self.append(event)

    def append(self, event: JournalEvent) -> None:
        """Write an event down."""
        line = encode_event(event) + b"\n"
        self._digest.update(line)
        if self._keep is not None:
            self._keep(line)
        self.kinds[type(event).__name__] += 1
        if self._watch is not None:
            self._watch(event)
