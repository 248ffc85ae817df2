"""Where a lane is between two guests, as a table: the one that docs/lanes.md shows. Pure."""

from collections import deque
from enum import StrEnum

from resort.errors import InvalidTransition
from resort.ids import LaneId

STORY_LENGTH = 12


class Cycle(StrEnum):
    """Where the lane is between two guests."""

    STARTING = "starting"
    IDLE = "idle"
    DECIDING = "deciding"
    AWAITING_PASSAGE = "awaiting_passage"


CYCLE_TABLE: dict[tuple[Cycle, str], Cycle] = {
    (Cycle.STARTING, "recovered"): Cycle.IDLE,
    (Cycle.STARTING, "grant_recovered"): Cycle.AWAITING_PASSAGE,
    (Cycle.IDLE, "code_read"): Cycle.DECIDING,
    (Cycle.IDLE, "face_read"): Cycle.DECIDING,
    (Cycle.IDLE, "ordered"): Cycle.DECIDING,
    (Cycle.IDLE, "party_follows"): Cycle.DECIDING,
    (Cycle.DECIDING, "refused"): Cycle.IDLE,
    (Cycle.DECIDING, "answered"): Cycle.IDLE,
    (Cycle.DECIDING, "party_over"): Cycle.IDLE,
    (Cycle.DECIDING, "face_only_compared"): Cycle.IDLE,
    (Cycle.DECIDING, "grant_stored"): Cycle.AWAITING_PASSAGE,
    (Cycle.AWAITING_PASSAGE, "arm_turned"): Cycle.IDLE,
    (Cycle.AWAITING_PASSAGE, "arm_relocked"): Cycle.IDLE,
    (Cycle.AWAITING_PASSAGE, "pulse_unsent"): Cycle.IDLE,
    (Cycle.AWAITING_PASSAGE, "outcome_unknown"): Cycle.IDLE,
}


class LaneCycle:
    """The state of one lane's cycle. Raises InvalidTransition, with the last stimuli, on a step that is not in the table."""

    def __init__(self, lane_id: LaneId) -> None:
        self.state = Cycle.STARTING
        self._lane_id = lane_id
        self._story: deque[str] = deque(maxlen=STORY_LENGTH)

    def tell(self, stimulus: str) -> None:
        """Remember a stimulus for the story of a mistake."""
        self._story.append(stimulus)

    def move(self, trigger: str) -> None:
        """Take a step."""
        target = CYCLE_TABLE.get((self.state, trigger))
        if target is None:
            raise self.impossible(trigger)
        self.state = target

    def impossible(self, trigger: str) -> InvalidTransition:
        """The error for what cannot happen now; a bug of the shell or of the machine."""
        return InvalidTransition(f"lane {self._lane_id}", self.state, trigger, tuple(self._story))
