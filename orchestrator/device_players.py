"""What the `snowgate device` commands ask of a player of devices, which stands in for hardware that is not there.

Players are found by the entry-point group `snowgate.players`, because rooms above must not be imported from here.
"""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Protocol

import msgspec

from resort.errors import PartMissing


class PlayOrder(msgspec.Struct, frozen=True):
    """What is to be played. `profile` is a bundled name or a file; an empty fault is none.

    `address` is `tcp://127.0.0.1:PORT`, `rtu+tcp://127.0.0.1:PORT`, `serial:///dev/ttyUSB1?baud=19200` (a line that is there),
    or `serial` (a pseudo terminal of its own). Empty: TCP on `port`. Port 0 takes a free one.
    """

    profile: str
    units: tuple[int, ...] = (1,)
    port: int = 0
    fault: str = ""
    address: str = ""


class DevicePlayer(Protocol):
    """A simulated controller on the loopback address. Raises Invalid on what it cannot do, Unavailable on a taken port."""

    @property
    def faults(self) -> dict[str, str]:
        """What it can do wrongly, each in a few words."""
        ...

    async def start(self, order: PlayOrder, tell: Callable[[str], None]) -> str:
        """Serve; answers the address. What its arms and lamps do goes to `tell`."""
        ...

    def act(self, deed: str) -> str:
        """Do what somebody at the device would (such as `in`: push the arm inwards); answers what came of it, in words."""
        ...

    async def stop(self) -> None:
        """End it; idempotent."""
        ...


def turnstile_player() -> DevicePlayer:
    """The one that plays turnstiles. Raises PartMissing."""
    for point in entry_points(group="snowgate.players", name="turnstile"):
        player: DevicePlayer = point.load()()
        return player
    raise PartMissing("The player of simulated devices", "install the package with its entry points (make install)")
