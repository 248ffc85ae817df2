"""What a lane's height sensor adds to a grant. It never keeps a guest waiting: a sensor that does not answer says nothing."""

import asyncio
from typing import Protocol

from devices.height_sensor import LineHeightSensor
from resort.access.height_flag import asks_height, with_height
from resort.clock import Clock
from resort.errors import Unavailable
from resort.messages import GrantIssued
from resort.ports import HeightSensor
from resort.site import LaneSite, Site

ASK_S = 0.05


class HeightNotes(Protocol):
    """What a lane's runtime asks."""

    async def noted(self, grant: GrantIssued) -> GrantIssued:
        """The grant, with the height band of who stands there where staff are to look at it; never raises."""
        ...

    async def close(self) -> None:
        """Free the sensor."""
        ...


class NoHeights:
    """A lane without a sensor."""

    async def noted(self, grant: GrantIssued) -> GrantIssued:
        """As it is."""
        return grant

    async def close(self) -> None:
        """There is nothing to free."""


class LaneHeights:
    """A lane with one."""

    def __init__(self, sensor: HeightSensor) -> None:
        self._sensor = sensor

    async def noted(self, grant: GrantIssued) -> GrantIssued:
        """See `HeightNotes`."""
        if not asks_height(grant):
            return grant
        try:
            async with asyncio.timeout(ASK_S):
                return with_height(grant, await self._sensor.band())
        except (TimeoutError, Unavailable):
            return grant

    async def close(self) -> None:
        """See `HeightNotes`."""
        await self._sensor.close()


def lane_heights(site: Site, lane: LaneSite, clock: Clock) -> HeightNotes:
    """By the lane's entry in the site file. Raises InvalidConfig."""
    return LaneHeights(LineHeightSensor(lane.height, site.heights, clock)) if lane.height else NoHeights()
