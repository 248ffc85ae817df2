"""`AlarmControl` over Ray."""

from actors.calls import actor, ask
from actors.names import ORCHESTRATOR

WHAT = "The watch"


class RayAlarms:
    """The orchestrator's actor as an `AlarmControl`."""

    async def acknowledge(self, alarm_key: str, by: str, note: str) -> None:
        """See the port."""
        await ask(actor(ORCHESTRATOR, WHAT).acknowledge.remote(alarm_key, by, note), WHAT)
