"""`AlarmControl` over Ray, and what only the watch can be told."""

from collections.abc import Sequence

from actors.calls import actor, ask
from actors.names import ORCHESTRATOR
from resort.alarm_levels import SensorSight

WHAT = "The watch"


class RayAlarms:
    """The orchestrator's actor as an `AlarmControl`."""

    async def acknowledge(self, alarm_key: str, by: str, note: str) -> None:
        """See the port."""
        await ask(actor(ORCHESTRATOR, WHAT).acknowledge.remote(alarm_key, by, note), WHAT)

    async def see_sensors(self, sensors: Sequence[SensorSight]) -> None:
        """Tell how the people sensors stand. Raises Unavailable."""
        await ask(actor(ORCHESTRATOR, WHAT).see_sensors.remote(list(sensors)), WHAT)
