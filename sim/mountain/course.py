"""The course of a virtual day: what happens next, and the clock that stands there. No dice, no resort."""

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from resort.clock import Moment

NS_PER_S = 1_000_000_000


class Course:
    """Things to do by the second at which they are due; equal seconds in the order in which they were asked for.

    It is a `resort.clock.Clock` too: `now` is the moment of what is being done, `at` the same in seconds of the day.
    """

    def __init__(self, begins: datetime) -> None:
        self.begins = begins
        self.at = 0.0
        self.steps = 0  # things done so far
        self._due: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._asked = 0
        self._moment = Moment(begins, 0)
        self._moment_of = 0.0

    def now(self) -> Moment:
        """The present moment."""
        if self._moment_of != self.at:
            tick_ns = round(self.at * NS_PER_S)
            # Wall time from whole microseconds, so that both scales tell the same story whatever the float.
            self._moment = Moment(self.begins + timedelta(microseconds=tick_ns // 1_000), tick_ns)
            self._moment_of = self.at
        return self._moment

    def do(self, at_s: float, work: Callable[..., None], *arguments: Any) -> None:
        """Call `work(*arguments)` at that second, or now if it has passed."""
        self._asked += 1
        heapq.heappush(self._due, (at_s if at_s > self.at else self.at, self._asked, work, arguments))

    def after(self, seconds: float, work: Callable[..., None], *arguments: Any) -> None:
        """Likewise, so many seconds from now."""
        self._asked += 1
        heapq.heappush(self._due, (self.at + seconds, self._asked, work, arguments))

    def run(self, until_s: float) -> bool:
        """Do what is due up to that second, and stand there. False: nothing is left to do at all."""
        due, pop = self._due, heapq.heappop
        while due and due[0][0] <= until_s:
            self.at, _, work, arguments = pop(due)
            self.steps += 1
            work(*arguments)
        self.at = max(self.at, until_s)
        return bool(due)
