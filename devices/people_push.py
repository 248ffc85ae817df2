"""People counters and queue sensors that post their counts to us over HTTP, as `PeopleCounter`s.

What a post holds and what it counts; who may post, and over which route, is `web_console/people_api.py`.
"""

from typing import Annotated

import msgspec

from devices.people_count import CountingSensor
from resort.clock import Clock
from resort.errors import Invalid, InvalidConfig
from resort.people import COUNT_MAX, WAITING_MAX, PeopleCount, PeopleReading, PeopleSensorSite

PUSH = "push"

Persons = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]


class CountPost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a sensor posts, as JSON. At least one of the counts."""

    entered: Persons | None = None
    left: Persons | None = None
    waiting: Annotated[int, msgspec.Meta(ge=0, le=WAITING_MAX)] | None = None
    number: Persons | None = None  # of this message; needed where messages count steps, as a post may come twice


class PushedPeopleCounter(CountingSensor):
    """One sensor that posts. Raises InvalidConfig on settings of another kind."""

    def __init__(self, site: PeopleSensorSite, clock: Clock) -> None:
        if site.url != PUSH:
            raise InvalidConfig("people sensor url", f"{site.url} is not {PUSH}")
        super().__init__(site, clock)
        self._site = site

    def take(self, post: CountPost) -> PeopleCount:
        """Count what was posted. Raises Invalid; nothing is counted then."""
        steps = post.entered is not None or post.left is not None
        if self._site.counts == "step" and steps and post.number is None:
            raise Invalid("number", "a sensor that counts steps has to number its messages")
        return self.counted(PeopleReading(post.entered, post.left, post.waiting, post.number))
