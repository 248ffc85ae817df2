"""What a restarted lane needs to know, folded from the lane's own events.

Whoever keeps a lane's memory without Redis (a spool, a gate's replica, a rebuild) folds with `remember`; the Redis scripts do
the same in place.
"""

import msgspec

from resort.ids import GrantId
from resort.messages import GrantIssued, GrantOutcome, GrantOutcomeUnknown, JournalEvent
from resort.ports import LaneMemory, accounted

NO_MEMORY = LaneMemory(open_grant=None, counter_in=None, counter_out=None)


def remember(memory: LaneMemory, event: JournalEvent) -> LaneMemory:
    """The lane's memory after one of its events; an event that is not above `last_seq` was remembered before."""
    if event.lane_seq and event.lane_seq <= memory.last_seq:
        return memory
    changes: dict[str, object] = {**accounted(event), "last_seq": max(memory.last_seq, event.lane_seq)}
    if isinstance(event, GrantIssued):
        changes |= {"open_grant": event, "counter_in": event.counter_in}
    elif isinstance(event, GrantOutcome):
        if memory.open_grant is not None and GrantId(memory.open_grant.event_id) == event.grant_id:
            changes["open_grant"] = None
        if not isinstance(event, GrantOutcomeUnknown):
            changes["counter_in"] = event.counter_in
    return msgspec.structs.replace(memory, **changes)
