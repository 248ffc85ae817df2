"""Putting spooled events into a ledger that does not have them: after a lane was killed between disk and ledger, and when a
gate that was cut off comes back.

What happened has happened: tickets take it whatever they allow (the journal reports conflicts). Twice does no harm.
"""

from collections.abc import Sequence

from resort.access.usage import use
from resort.messages import GrantIssued, GrantOutcome, JournalEvent, TicketEvent
from resort.ports import AdmissionLedger


async def replay(ledger: AdmissionLedger, events: Sequence[JournalEvent]) -> None:
    """Tell the ledger events that it may lack, each lane's in their order. Raises LedgerUnavailable; call again then."""
    for event in sorted(events, key=lambda event: (event.lane_id, event.lane_seq)):
        if isinstance(event, TicketEvent):
            await _tell(ledger, event)
        else:
            await ledger.append([event])


async def _tell(ledger: AdmissionLedger, event: TicketEvent) -> None:
    record = None
    while True:
        if event.ticket_id is not None:
            record = await ledger.find(event.ticket_id)
            if record is None:
                await ledger.append([event])  # never sold here: the journal has it, no ticket changes
                return
        usage = use(record.usage, event) if record is not None else None
        if isinstance(event, GrantIssued):
            conflict = await ledger.commit_grant(event, record, usage)
        elif isinstance(event, GrantOutcome):
            conflict = await ledger.settle(event, record, usage)
        else:
            assert record is not None
            assert usage is not None
            conflict = await ledger.amend(event, record, usage)
        if conflict is None:
            return
