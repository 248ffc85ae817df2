"""What a console shows, as one value: a snapshot that deltas move forward. Pure."""

from collections.abc import Callable
from typing import TypeVar

from resort.feed import Delta, Snapshot

View = TypeVar("View")


def advanced(board: Snapshot, delta: Delta) -> Snapshot:
    """The snapshot at the delta's version. The delta must start where the board stands; raises ValueError for a gap."""
    if delta.since != board.version:
        raise ValueError(f"a delta since {delta.since} does not fit a board at {board.version}")
    return Snapshot(
        version=delta.version,
        at=delta.at,
        site=board.site,
        gates=_replaced(board.gates, delta.gates, lambda gate: gate.gate_id),
        lanes=_replaced(board.lanes, delta.lanes, lambda lane: lane.lane_id),
        alarms=board.alarms if delta.alarms is None else delta.alarms,
        timezone=board.timezone,
    )


def _replaced(old: list[View], new: list[View], key: Callable[[View], str]) -> list[View]:
    """`old` in its order with the views in `new` put in the place of theirs; unknown ones come last."""
    fresh = {key(view): view for view in new}
    kept = [fresh.pop(key(view), view) for view in old]
    return [*kept, *fresh.values()]
