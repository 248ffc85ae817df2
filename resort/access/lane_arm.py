"""What a lane's arm did, by its counters: how often it turned since the last reading, and why without a grant. Pure."""

from resort.access.lane_journal import turns
from resort.ids import GrantId
from resort.messages import GrantIssued, TurnCause
from resort.ports import TurnstileStatus


class LaneArm:
    """The arm between readings. `counter_in` and `counter_out` are those up to which every turn is in the journal; None until
    something is known of them."""

    def __init__(self) -> None:
        self.counter_in: int | None = None
        self.counter_out: int | None = None
        self._before: TurnstileStatus | None = None  # the last reading; None: nobody has watched since
        self._passed: GrantIssued | None = None  # whose passage this was, until the arm is seen locked again

    def turns_in(self, status: TurnstileStatus) -> int | None:
        """Turns inwards since the last reading; None when the counter went backwards. They are the caller's to account now."""
        turned = turns(self.counter_in, status.counter_in)
        self.counter_in = status.counter_in
        return turned

    def turns_out(self, status: TurnstileStatus) -> int:
        """Turns outwards likewise; a counter that went backwards tells nothing."""
        turned = turns(self.counter_out, status.counter_out)
        self.counter_out = status.counter_out
        return turned or 0

    def passed(self, grant: GrantIssued) -> None:
        """One of the turns was this grant's."""
        self._passed = grant

    def why(self, status: TurnstileStatus) -> tuple[TurnCause, GrantId | None]:
        """Why the arm turned without a grant by this reading, and whom somebody tailgated. Ask before `seen`."""
        before = self._before
        if status.fire_release or (before is not None and before.fire_release):
            return "fire_release", None
        if before is None:
            return "unobserved", None
        if self._passed is not None:
            return "tailgating", GrantId(self._passed.event_id)
        return ("no_grant" if before.unlocked or status.unlocked else "forced"), None

    def seen(self, status: TurnstileStatus) -> None:
        """Everything of this reading is accounted."""
        self._before = status
        if not status.unlocked:
            self._passed = None

    def lost(self) -> None:
        """The turnstile cannot be read: what it does from now on, nobody sees."""
        self._before = None
        self._passed = None
