"""Whom a free lane takes next: accumulating priority, which lets fast-lane guests wait less without a lane of their own. Pure.

Stanford, Taylor and Ziedins 2014 (Kleinrock 1964): a guest's priority grows with his waiting, by a slope of his class; a free
lane takes who has the most. Nobody starves, since everybody's grows. A lane kept for few guests stands idle while others wait.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccumulatingPriority:
    """Slopes by class, the first class first when equal. Equal slopes are first come, first served."""

    slopes: tuple[float, ...] = (20.0, 1.0)

    def next_class(self, longest_wait_s: Sequence[float | None]) -> int | None:
        """The class of whom to take, given how long the first of each class has waited (None: nobody). None if nobody waits."""
        waiting = [
            (slope * wait, -kind)
            for kind, (slope, wait) in enumerate(zip(self.slopes, longest_wait_s, strict=True))
            if wait is not None
        ]
        return -max(waiting)[1] if waiting else None
