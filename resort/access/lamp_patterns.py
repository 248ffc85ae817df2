"""What a lamp of three colours shows for each result, for who cannot hear. Pure data.

A turnstile's own indicator knows `idle`, `go` and `refused` only and shows them steadily: its line carries the pulses too, and
is not kept busy with blinking. These patterns are for a lamp of its own (`lane.lamp` in the site file).
"""

from typing import Literal

import msgspec

from resort.access.reasons import Reason

Colour = Literal["red", "green", "amber"]
COLOURS: tuple[Colour, ...] = ("red", "green", "amber")
PatternName = Literal["idle", "go", "go_look", "refused", "look"]


class LampStep(msgspec.Struct, frozen=True):
    """The colours that are lit, for so long; `ms` 0: until something else is shown."""

    lit: tuple[Colour, ...]
    ms: int = 0


class LampPattern(msgspec.Struct, frozen=True):
    """Steps in order; over and over if `repeats`, else once, and the last one stays."""

    steps: tuple[LampStep, ...]
    repeats: bool = False


PATTERNS: dict[PatternName, LampPattern] = {
    "idle": LampPattern((LampStep(()),)),
    # Steady green.
    "go": LampPattern((LampStep(("green",)),)),
    # Green stays for the guest, amber comes and goes for staff, who should look at the holder's face, height or card.
    "go_look": LampPattern((LampStep(("green", "amber"), 600), LampStep(("green",), 600)), repeats=True),
    # Two short red flashes, then steady red: nobody takes them for a lamp that was just switched on.
    "refused": LampPattern(
        (LampStep(("red",), 150), LampStep((), 120), LampStep(("red",), 150), LampStep((), 120), LampStep(("red",)))
    ),
    # Slow amber: wait here, staff will come.
    "look": LampPattern((LampStep(("amber",), 600), LampStep((), 600)), repeats=True),
}
ASK_STAFF = frozenset(
    {Reason.OUTCOME_UNKNOWN, Reason.IMPOSSIBLE_TRAVEL, Reason.SPOOL_FULL, Reason.FACE_UNSURE, Reason.FACE_OF_ANOTHER}
)


def refusal_pattern(reason: Reason) -> PatternName:
    """The pattern for a guest who is not admitted for `reason`."""
    return "look" if reason in ASK_STAFF else "refused"
