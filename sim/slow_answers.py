"""Answers that a slow controller gives later: after a time, or when somebody who looks on says so."""

from collections.abc import Callable


class SlowAnswers:
    """`seconds` None: until `hurry`, so that what came before the answer does not hang on anybody's clock."""

    def __init__(self) -> None:
        self.seconds: float | None = 0.6
        self._waiting: list[Callable[[], None]] = []

    def give(self, answer: Callable[[], None], later: Callable[[float, Callable[[], None]], object]) -> None:
        """Answer some day; `later` runs a call after so many seconds."""
        if self.seconds is None:
            self._waiting.append(answer)
        else:
            later(self.seconds, answer)

    def hurry(self) -> None:
        """Give what waits for this, now."""
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            answer()
