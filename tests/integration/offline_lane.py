"""A lane process of the offline site: it shows codes and goes through at once."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import date

from actors.lane_ledger import LaneLedger
from actors.spool_keeper import SpoolKeeper
from resort.access.entitlement import TicketRecord
from resort.access.usage import use
from resort.clock import SystemClock
from resort.errors import LedgerUnavailable
from resort.ids import EventId, GateId, GrantId, LaneId, ScanId, TicketId
from resort.messages import GrantIssued, GrantOutcome, GrantOutcomeUnknown, PassageConfirmed
from storage.redis_ledger import RedisLedger

DAY = date(2026, 12, 1)
GRANTED = "granted"


@dataclass
class Lane:
    """One lane process with one lane: shows codes, goes through at once."""

    lane_id: LaneId
    gate_id: GateId
    ledger: LaneLedger
    spool: SpoolKeeper
    central: RedisLedger
    counter: int = 0
    seq: int = 0
    turned: list[TicketId] = field(default_factory=list)

    def head(self, prefix: str) -> dict[str, object]:
        """What every event of this lane begins with."""
        self.seq += 1
        return {
            "event_id": EventId(f"{prefix}-{self.lane_id}-{self.seq}"),
            "caused_by": "scan",
            "at": SystemClock().now().at,
            "gate_id": self.gate_id,
            "lane_id": self.lane_id,
            "lane_seq": self.seq,
        }

    async def show(self, ticket_id: TicketId) -> str:
        """Look up, grant and go through; answers `granted` or why not."""
        record = await self.ledger.find(ticket_id)
        while True:
            if record is None:
                return "unknown"
            if record.usage.used or record.usage.open is not None:
                return "used"
            what = {"ticket_id": ticket_id, "scan_id": ScanId("s"), "product": "day", "unit": "adult"}
            grant = GrantIssued(**self.head("grant"), **what, day=DAY, counter_in=self.counter)  # type: ignore[arg-type]
            usage = use(record.usage, grant)
            conflict = await self.ledger.commit_grant(grant, record, usage)
            if conflict is None:
                break
            record = conflict.record
        self.turned.append(ticket_id)  # from here on the arm may turn
        self.counter += 1
        head = self.head("passage") | {"grant_id": GrantId(grant.event_id), "ticket_id": ticket_id}
        passage = PassageConfirmed(**head, counter_in=self.counter)  # type: ignore[arg-type]
        await self.settle(passage, TicketRecord(record.version + 1, record.entitlement, usage))
        return GRANTED

    async def recover(self) -> None:
        """As a lane does that starts: a grant without outcome is of unknown outcome."""
        memory = await self.ledger.lane_memory(self.lane_id)
        self.seq = max(self.seq, memory.last_seq)
        grant = memory.open_grant
        if grant is not None and grant.ticket_id is not None:
            head = self.head("unknown") | {"grant_id": GrantId(grant.event_id), "ticket_id": grant.ticket_id}
            unknown = GrantOutcomeUnknown(**head, detail="")  # type: ignore[arg-type]
            await self.settle(unknown, await self.ledger.find(grant.ticket_id))

    async def settle(self, passage: GrantOutcome, record: TicketRecord | None) -> None:
        """As a lane does: until it is stored."""
        while record is not None and record.usage.open_grant == passage.grant_id:
            try:
                conflict = await self.ledger.settle(passage, record, use(record.usage, passage))
                if conflict is None:
                    return
                record = conflict.record
            except LedgerUnavailable:
                await asyncio.sleep(0.02)
                with contextlib.suppress(LedgerUnavailable):
                    assert passage.ticket_id is not None
                    record = await self.ledger.find(passage.ticket_id)

    async def close(self) -> None:
        await self.ledger.close()
        await self.spool.close()
        await self.central.close()
