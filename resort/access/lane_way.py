"""Which way a reversible lane's arm is set, and how it changes: closed first, clear for a while, then turned, then open. Pure.

The way out is free whichever way the arm is set: nobody is trapped by a change that is late or fails. What it does is to keep
people who come in from meeting those who leave.
"""

from resort.access.lane_messages import Command, LaneMode, SetWay, WayNotSet, WaySet, WayTold
from resort.clock import Moment
from resort.ports import ArmWay

CHANGES = "changes direction"


def way_of(mode: LaneMode) -> ArmWay | None:
    """How the arm has to be set in that mode; None: as it is."""
    return {"open": "entry", "exit": "exit_only"}.get(mode)  # type: ignore[return-value]  # the values are ways


class LaneWay:
    """The arm of one lane. A lane that is not reversible is always set right."""

    def __init__(self, *, reversible: bool, clearance_ms: int) -> None:
        self._reversible = reversible
        self._clearance_ms = clearance_ms
        self._set: ArmWay | None = None  # as the turnstile confirmed since it was last lost
        self._asked = False  # an order is under way
        self._clears: Moment | None = None  # since when nobody new is let in, before the arm is turned
        self._failed = ""

    def ordered(self, before: LaneMode, mode: LaneMode, now: Moment) -> None:
        """Another mode was ordered: whoever is in the lane gets the time to leave it before the arm is turned."""
        if way_of(mode) not in (None, way_of(before)):
            self._clears = now

    def is_set(self, mode: LaneMode) -> bool:
        """Whether the lane can do what the mode says."""
        return not self._reversible or way_of(mode) in (None, self._set)

    def detail(self, mode: LaneMode) -> str:
        """Why it cannot, in words; "" where it can."""
        return "" if self.is_set(mode) else self._failed or CHANGES

    def look(self, mode: LaneMode, now: Moment, *, idle: bool) -> list[Command]:
        """The turnstile was read: the order that is due, if any: between two guests, once the lane is clear, one at a time."""
        way = way_of(mode)
        if way is None or self.is_set(mode) or self._asked or not idle:
            return []
        if self._clears is not None and now.ms_since(self._clears) < self._clearance_ms:
            return []
        self._asked = True
        return [SetWay(way)]

    def told(self, answer: WayTold) -> None:
        """What came of the order; after a failure it is given again with the next reading."""
        self._asked = False
        if isinstance(answer, WaySet):
            self._set, self._clears, self._failed = answer.way, None, ""
        elif isinstance(answer, WayNotSet):
            self._failed = answer.detail

    def lost(self) -> None:
        """The turnstile is away: nobody knows how it is set when it returns."""
        self._set = None
