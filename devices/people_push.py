"""People counters and queue sensors that post their counts to us over HTTP, as `PeopleCounter`s.

`PeopleInbox` takes the posts; `people_routes` is the handler that a web application mounts. Errors are raised as ours: the
application's own middleware makes answers of them. No cookies: a sensor shows its own key as a Bearer token.
"""

import hmac
from collections.abc import Mapping
from typing import Annotated

import msgspec
from aiohttp import hdrs, web

from devices.people_count import CountingSensor
from resort.clock import Clock
from resort.errors import Invalid, InvalidConfig, NotSignedIn
from resort.people import COUNT_MAX, WAITING_MAX, PeopleCount, PeopleReading, PeopleSensorSite

PUSH = "push"
PATH = "/api/people/{sensor}"
BODY_MAX = 1_024  # bytes
KEY_MIN = 16  # characters

Persons = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]


class CountPost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a sensor posts, as JSON. At least one of the counts."""

    entered: Persons | None = None
    left: Persons | None = None
    waiting: Annotated[int, msgspec.Meta(ge=0, le=WAITING_MAX)] | None = None
    number: Persons | None = None  # of this message; needed where messages count steps, as a post may come twice


class PushedPeopleCounter(CountingSensor):
    """One sensor that posts. Raises InvalidConfig on settings of another kind and on a key that can be guessed."""

    def __init__(self, site: PeopleSensorSite, key: str, clock: Clock) -> None:
        if site.url != PUSH:
            raise InvalidConfig("people sensor url", f"{site.url} is not {PUSH}")
        if len(key) < KEY_MIN or not key.isascii():
            raise InvalidConfig("people sensor key", f"it needs {KEY_MIN} ASCII characters or more")
        super().__init__(site, clock)
        self._key = key.encode()
        self._site = site

    def has_key(self, key: str) -> bool:
        """Whether this is the sensor's key; takes as long for any."""
        return hmac.compare_digest(self._key, key.encode())

    def take(self, body: bytes) -> PeopleCount:
        """Count what was posted. Raises Invalid; nothing is counted then."""
        if len(body) > BODY_MAX:
            raise Invalid("body", f"it has more than {BODY_MAX} bytes")
        try:
            post = msgspec.json.decode(body, type=CountPost)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Invalid("body", str(error).rstrip(".")) from None
        steps = post.entered is not None or post.left is not None
        if self._site.counts == "step" and steps and post.number is None:
            raise Invalid("number", "a sensor that counts steps has to number its messages")
        return self.counted(PeopleReading(post.entered, post.left, post.waiting, post.number))


class PeopleInbox:
    """Every sensor of a site that posts, by name."""

    def __init__(self, sensors: Mapping[str, PushedPeopleCounter]) -> None:
        self._sensors = dict(sensors)

    def sensor(self, name: str, key: str) -> PushedPeopleCounter:
        """The sensor that shows this key. Raises NotSignedIn, also for a name that there is not."""
        found = self._sensors.get(name)
        if found is None or not found.has_key(key):
            raise NotSignedIn
        return found


def people_routes(inbox: PeopleInbox) -> list[web.RouteDef]:
    """`POST /api/people/{sensor}` with the sensor's key as Bearer token and a `CountPost`: 204. Raises NotSignedIn, Invalid."""

    async def post(request: web.Request) -> web.Response:
        scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() != "bearer":
            raise NotSignedIn
        sensor = inbox.sensor(request.match_info["sensor"], key.strip())
        body = b""
        async for piece in request.content.iter_chunked(BODY_MAX):
            body += piece
            if len(body) > BODY_MAX:
                break  # `take` says so
        sensor.take(body)
        return web.Response(status=204)

    return [web.post(PATH, post)]
