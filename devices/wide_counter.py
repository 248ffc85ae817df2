"""A counter of 32 bits made of one that a controller keeps in 16. Pure.

A relay board comes round after 65535 turns. The lane counts mod 2**32 (`resort/access/lane_arm.py`) and takes a counter that is
less than before for one that went backwards, so the rounds are added here.
"""

NARROW = 2**16
WIDE = 2**32


class WideCounter:
    """Follows one narrow counter from reading to reading.

    A step of at most `unseen_max` is so many turns. A larger one cannot be told from a step backwards and is made one, so that
    the lane sees "went backwards" and invents no turns. Until something is known the counter is taken as it stands.
    """

    def __init__(self, unseen_max: int) -> None:
        self._unseen_max = unseen_max
        self._total: int | None = None

    def recall(self, total: int | None) -> None:
        """Go on from a total that was told before, by this process or another; None: nothing is known."""
        self._total = total

    def read(self, counter: int) -> int:
        """The total now that the narrow counter stands at `counter`, 0 to 65535."""
        if self._total is None:
            self._total = counter
            return counter
        step = (counter - self._total) % NARROW
        self._total = (self._total + (step if step <= self._unseen_max else step - NARROW)) % WIDE
        return self._total
