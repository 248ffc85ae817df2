"""What a turnstile controller has to show, and the card that says what it showed.

Pure: names, verdicts and sentences. The examination itself is `devices/conformance.py`.
"""

from typing import Literal

import msgspec

Verdict = Literal["pass", "fail", "untried", "skipped", "note"]

# Every check by its stable name, in the order of the card, with what is promised when it passes.
CHECKS: dict[str, str] = {
    "reachable": "answers a status request",
    "firmware": "tells its firmware",
    "status_steady": "two statuses in a row agree and are plausible",
    "inputs": "fault, tamper and fire release are readable and quiet",
    "locked_at_rest": "the arm is locked while nobody asked for anything",
    "counters_rest": "counters do not move by themselves",
    "latency": "answers well within the profile's time-out",
    "unknown_address": "answers an unknown address with an exception",
    "lamp": "the lamp takes every value",
    "pulse_unlocks": "a pulse unlocks the arm",
    "relocks": "an unused arm locks by itself when the open window ends",
    "pulse_not_counted": "a pulse that nobody uses counts no turn",
    "turn_counted_once": "one turn counts once and locks the arm",
    "way_out_counted": "one turn outwards counts once, outwards",
    "fire_release": "under fire release a pulse changes nothing",
    "neighbours": "units on one bus do not disturb each other",
    "write_echo": "each order is answered once, by its exact echo",
    "reconnect": "served again after a dropped connection, and no pulse repeated",
    "late_reply": "a late answer is not taken for a new one",
    "restored": "left with its arm locked and its lamp idle",
}


class Finding(msgspec.Struct, frozen=True):
    """One check's outcome.

    fail: does not hold. untried: must hold and could not be tried. skipped: does not apply here. note: worth knowing, no bar.
    `figures` are numbers with their unit in the name.
    """

    check: str
    verdict: Verdict
    reason: str
    figures: dict[str, float] = {}


class Card(msgspec.Struct, frozen=True):
    """What one examination found, in the order of `CHECKS`."""

    profile: str
    address: str
    units: tuple[int, ...]
    findings: tuple[Finding, ...]

    @property
    def held(self) -> bool:
        """Whether everything that must hold was tried and does."""
        return all(finding.verdict not in ("fail", "untried") for finding in self.findings)

    def count(self, verdict: Verdict) -> int:
        """How many findings have this verdict."""
        return sum(finding.verdict == verdict for finding in self.findings)

    def summary(self) -> str:
        """The last line of the card."""
        words: tuple[tuple[Verdict, str], ...] = (("pass", "passed"), ("fail", "failed"), ("untried", "could not be tried"))
        said = [f"{self.count(verdict)} {word}" for verdict, word in words]
        said += [f"{self.count('skipped')} skipped", f"{self.count('note')} for your notice"]
        return f"{'conforms' if self.held else 'DOES NOT CONFORM'}: {', '.join(said)}"


def card_line(finding: Finding) -> str:
    """One line of the card."""
    return f"  {finding.verdict:8} {finding.check:18} {finding.reason}"
