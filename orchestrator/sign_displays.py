"""The displays of a site's signs as the crowd brain drives them: opened with it, told each tick, blank when it is gone."""

from collections.abc import Mapping
from typing import Protocol

from devices.sign_display import BLANK, LineSignDisplay
from resort.crowd import CrowdSite, DisplayState
from resort.texts import Text


class Displays(Protocol):
    """What shows texts at signs, by the sign's id. Never raises: a display that is away is told when it is back."""

    def show(self, texts: Mapping[str, Text]) -> None:
        """Show these; those that are not named go blank."""
        ...

    def state(self, sign_id: str) -> DisplayState:
        """How that one stands."""
        ...


class NoDisplays:
    """A site without any."""

    def show(self, texts: Mapping[str, Text]) -> None:
        """See `Displays`."""

    def state(self, sign_id: str) -> DisplayState:
        """See `Displays`."""
        return "none"


class LineDisplays:
    """The displays that the site file names. `start` within a loop, `close` at the end. Raises InvalidConfig."""

    def __init__(self, settings: CrowdSite) -> None:
        self._displays = {sign.id: LineSignDisplay(sign.display) for sign in settings.signs if sign.display}

    def start(self) -> None:
        """Connect to all."""
        for display in self._displays.values():
            display.start()

    def show(self, texts: Mapping[str, Text]) -> None:
        """See `Displays`."""
        for sign_id, display in self._displays.items():
            display.show(texts.get(sign_id, BLANK))

    def state(self, sign_id: str) -> DisplayState:
        """See `Displays`."""
        display = self._displays.get(sign_id)
        if display is None:
            return "none"
        shown = display.shown
        return "away" if shown is None else "blank" if shown == BLANK else "shows"

    async def close(self) -> None:
        """Blank them and hang up. Idempotent."""
        for display in self._displays.values():
            await display.close()
