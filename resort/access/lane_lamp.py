"""The lamp of one lane: what it shows, and for how long. Pure."""

from resort.access.lane_messages import Command, Lamp, ShowLamp
from resort.clock import Moment

SHOWN_MS = 1_200  # how long a verdict that opens no arm stays


class LaneLamp:
    """Remembers what the lamp shows, so that it is told only what changes."""

    def __init__(self) -> None:
        self._lamp: Lamp = "idle"
        self._until: Moment | None = None

    def show(self, lamp: Lamp, now: Moment, *, briefly: bool = False) -> list[Command]:
        """Show it; with `briefly` for `SHOWN_MS` only, as `look` will see to."""
        # Verdicts are shown again even if the lamp is lit already: the next guest must see that it is meant for him.
        if lamp == self._lamp == "idle":
            return []
        self._lamp = lamp
        self._until = now.after_ms(SHOWN_MS) if briefly else None
        return [ShowLamp(lamp)]

    def look(self, now: Moment) -> list[Command]:
        """Let go out what was shown long enough."""
        if self._until is None or now.ms_since(self._until) < 0:
            return []
        return self.show("idle", now)
