"""How many guests may book each quarter of an hour when more want to come than can be served. Pure.

Slots are metered against what gates can serve, less those who come without one and less what stands there already; who finds
his slot full is offered the nearest with room. It only moves guests; nobody with a ticket is turned away.
"""

from collections.abc import Sequence


def slot_quotas(served: Sequence[float], unbooked: Sequence[float], queue: float = 0.0, fill: float = 0.95) -> list[int]:
    """Guests who may book each slot, given what can be `served` in it and who comes `unbooked`; never negative."""
    quotas = []
    standing = queue
    for can, comes in zip(served, unbooked, strict=True):
        room = fill * can - comes - standing
        standing = max(0.0, -room)
        quotas.append(max(0, int(room)))
    return quotas


def offer(wanted: int, booked: Sequence[int], quotas: Sequence[int], size: int = 1) -> int | None:
    """The slot nearest to `wanted` with room for a party of that size, the earlier of two; None if all are full."""
    free = [slot for slot, (taken, quota) in enumerate(zip(booked, quotas, strict=True)) if taken + size <= quota]
    return min(free, key=lambda slot: (abs(slot - wanted), slot), default=None)
