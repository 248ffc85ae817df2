"""What fuzzing one parser comes to: how many inputs, what became of them, and the first bad ones as evidence."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Literal, Protocol

# refused: nothing was taken from the input. genuine: taken, and rightly. lost: refused although genuine. grant: taken wrongly.
Verdict = Literal["refused", "genuine", "lost", "grant"]
EVIDENCE_KEPT = 5


class Target(Protocol):
    """One parser under fuzz: draws an input and judges what becomes of it. An exception is a crash."""

    name: str

    @property
    def shown(self) -> str:
        """The last input, as a report may show it."""

    def try_one(self) -> Verdict | Awaitable[Verdict]:
        """The next input."""


@dataclass(slots=True)
class Tally:
    """Counts of one target."""

    name: str
    inputs: int = 0
    genuine: int = 0
    lost: int = 0
    grants: int = 0
    crashes: int = 0
    took_s: float = 0.0
    evidence: list[str] = field(default_factory=list)

    def count(self, verdict: Verdict, target: Target) -> None:
        """One more input."""
        self.inputs += 1
        self.genuine += verdict == "genuine"
        self.lost += verdict == "lost"
        self.grants += verdict == "grant"
        if verdict in ("grant", "lost"):
            self._keep(f"{self.name}: {verdict} on {target.shown}")

    def count_crash(self, error: Exception, target: Target) -> None:
        """One more input, which the parser did not survive."""
        self.inputs += 1
        self.crashes += 1
        self._keep(f"{self.name}: {type(error).__name__} {error} on {target.shown}")

    def _keep(self, line: str) -> None:
        if len(self.evidence) < EVIDENCE_KEPT:
            self.evidence.append(line[:600])
