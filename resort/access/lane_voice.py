"""What a guest is to hear and see of each result, beside the turnstile's own lamp. Pure.

It reads the commands of the lane machine and puts a `TellGuest` before each `ShowLamp`: after the pulse, which nothing may
delay, and before the lamp, which takes a round trip to the turnstile. Who plays and lights it is none of its business.
"""

from resort.access.lamp_patterns import PatternName, refusal_pattern
from resort.access.lane_messages import (
    AppendEvent,
    Command,
    GrantConflicted,
    PulseTurnstile,
    ShowLamp,
    Stimulus,
    StoreGrant,
    TicketFound,
)
from resort.access.reasons import Reason
from resort.access.spoken import USE_FAST_LANE
from resort.messages import GrantIssued, ScanRefused
from resort.site import LaneClass


class TellGuest(Command, frozen=True):
    """Say the phrase of `cue` (a key of `resort.access.spoken.SPOKEN`; empty: say nothing) and show `pattern`."""

    cue: str
    pattern: PatternName


class LaneVoice:
    """Remembers the grant in hand, so that staff's lamp shows whom to look at."""

    def __init__(self, lane_class: LaneClass) -> None:
        self._lane_class = lane_class
        self._grant: GrantIssued | None = None

    def accompany(self, stimulus: Stimulus, commands: list[Command]) -> list[Command]:
        """The commands that the machine answered `stimulus` with, in order, each `ShowLamp` with its `TellGuest` before it."""
        told: list[Command] = []
        for index, command in enumerate(commands):
            if isinstance(command, StoreGrant):
                self._grant = command.grant
            elif isinstance(command, ShowLamp):
                told.append(self._told(command, stimulus, commands, index))
            told.append(command)
        return told

    def _told(self, shown: ShowLamp, stimulus: Stimulus, commands: list[Command], index: int) -> TellGuest:
        if shown.lamp == "idle":
            return TellGuest("", "idle")
        if shown.lamp == "go":
            return self._admitted(any(isinstance(before, PulseTurnstile) for before in commands[:index]))
        return self._refused(stimulus, commands[index:])

    def _admitted(self, pulsed: bool) -> TellGuest:
        if not pulsed:
            return TellGuest("", "go")  # an exit, which is free anyway
        grant = self._grant
        look = grant is not None and bool(grant.attention or grant.warning)
        return TellGuest(Reason.ADMITTED.value, "go_look" if look else "go")

    def _refused(self, stimulus: Stimulus, commands: list[Command]) -> TellGuest:
        events = (command.event for command in commands if isinstance(command, AppendEvent))
        refused = next((event for event in events if isinstance(event, ScanRefused)), None)
        # Without a refused scan it was the pulse that did not leave: the guest was admitted, and the arm stays shut.
        reason = Reason.TURNSTILE_UNAVAILABLE if refused is None else refused.reason
        cue = USE_FAST_LANE if reason is Reason.WRONG_LANE and self._is_for_fast_lane(stimulus) else reason.value
        return TellGuest(cue, refusal_pattern(reason))

    def _is_for_fast_lane(self, stimulus: Stimulus) -> bool:
        if not isinstance(stimulus, TicketFound | GrantConflicted) or stimulus.record is None:
            return False
        return self._lane_class != "fast" and "fast" in stimulus.record.entitlement.lane_classes
