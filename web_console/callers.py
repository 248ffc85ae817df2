"""Who is calling and what that caller may do: cookie or Bearer, roles, and the guard against other sites' pages.

Cookies are sent by browsers without the page's consent, so whatever they authorise must also come from our own pages
(Origin, Sec-Fetch-Site). A Bearer token is never sent by itself, so it needs no such proof.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from resort.errors import NotPermitted, NotSignedIn
from storage.accounts import Accounts, User
from web_console.problems import HttpRefusal

SENSOR_CHANNEL = "people-"
SESSION_COOKIE = "snowgate_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
TOKEN = re.compile(r"[\x21-\x7e]{1,512}")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request. Nobody at all is a caller too: both `user` and `channel` are None."""

    user: User | None = None
    channel: str | None = None
    token: str | None = None  # of the session, when `user` is set
    by_cookie: bool = False


NOBODY = Caller()


@dataclass(frozen=True, slots=True)
class Who:
    """Who may call a route. `asked` is false where the caller makes no difference and is not even looked up."""

    name: str
    public: bool = False
    asked: bool = True
    roles: frozenset[str] | None = frozenset()  # None: every role
    channels: bool = False
    sensors: bool = False  # keys of people sensors, which sell nothing

    def check(self, caller: Caller, action: str) -> None:
        """Raise NotSignedIn or NotPermitted unless this caller may do `action`."""
        if self.public:
            return
        sensor = caller.channel is not None and caller.channel.startswith(SENSOR_CHANNEL)
        if caller.channel is not None and (self.sensors if sensor else self.channels):
            return
        if caller.user is not None and (self.roles is None or caller.user.role in self.roles):
            return
        if caller.user is None and caller.channel is None:
            raise NotSignedIn
        raise NotPermitted(action)


def sensor_channel(name: str) -> str:
    """The channel of a key under which this people sensor posts, and nothing else."""
    return f"{SENSOR_CHANNEL}{name}"


ANYONE = Who("anyone", public=True, asked=False)
SENSORS = Who("the key of that people sensor", sensors=True)
SHOPPERS = Who("anyone; a channel key or session sets the sales channel", public=True)
SELLERS = Who("a channel key, or staff in the role cashier or admin", roles=frozenset({"cashier", "admin"}), channels=True)
STAFF_AND_CHANNELS = Who("a channel key, or any staff", roles=None, channels=True)
STAFF = Who("any staff", roles=None)
DESK = Who(
    "staff in the role cashier, control_room or admin; see there who may order what",
    roles=frozenset({"cashier", "control_room", "admin"}),
)
ENROLLERS = Who(
    "a channel key (for tickets it sold), or staff in the role cashier, control_room or admin",
    roles=frozenset({"cashier", "control_room", "admin"}),
    channels=True,
)
CONTROL = Who("staff in the role control_room or admin", roles=frozenset({"control_room", "admin"}))


async def identify(request: web.Request, accounts: Accounts) -> Caller:
    """Look the caller up. A Bearer token (channel key or session token) outranks the cookie, and a wrong one is an error.

    Raises NotSignedIn for an Authorization header that says nothing valid, Unavailable when accounts cannot be read.
    """
    header = request.headers.get(hdrs.AUTHORIZATION)
    if header is not None:
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not TOKEN.fullmatch(token):
            raise NotSignedIn
        channel = await accounts.channel_of(token)
        if channel is not None:
            return Caller(channel=channel)
        user = await accounts.user_of(token)
        if user is None:
            raise NotSignedIn
        return Caller(user=user, token=token)
    cookie = request.cookies.get(SESSION_COOKIE)
    if cookie is None or not TOKEN.fullmatch(cookie):
        return NOBODY
    user = await accounts.user_of(cookie)
    return Caller(user=user, token=cookie, by_cookie=True) if user is not None else NOBODY


def check_same_site(request: web.Request, *, socket: bool = False) -> None:
    """Refuse a request that a browser may have been talked into by another site's page.

    The order is that of OWASP's cheat sheet and of Go's net/http.CrossOriginProtection: Sec-Fetch-Site if sent, else Origin
    against Host. Neither sent means no browser, which is fine, except on a WebSocket (`socket`) that brings a cookie: all
    browsers send Origin there, and the same-origin policy does not protect it.
    """
    if hdrs.AUTHORIZATION in request.headers:
        return
    origin = request.headers.get(hdrs.ORIGIN)
    site = request.headers.get("Sec-Fetch-Site")
    foreign_site = site is not None and site not in {"same-origin", "none"}
    if foreign_site or (origin is not None and not same_host(origin, request.host)):
        raise HttpRefusal(403, "cross_site", "Requests from pages of other sites are refused.")
    if socket and origin is None and SESSION_COOKIE in request.cookies:
        raise HttpRefusal(403, "origin_required", "A WebSocket that brings a cookie has to name its Origin.")


def same_host(origin: str, host: str) -> bool:
    """Whether an Origin header names the host (and port) that the request was sent to. Schemes are not compared: a proxy may
    end TLS before us."""
    try:
        source = urlsplit(origin)
        default = DEFAULT_PORTS[source.scheme]
        target = urlsplit(f"//{host}")
        same_port = (source.port or default) == (target.port or default)
    except (ValueError, KeyError):
        return False
    return bool(source.hostname) and source.hostname == target.hostname and same_port and not source.username


def idempotency_key(headers: Mapping[str, str]) -> str:
    """The request's Idempotency-Key. Raises HttpRefusal when missing or not 1 to 100 printable ASCII characters."""
    key = headers.get("Idempotency-Key", "")
    if not re.fullmatch(r"[\x20-\x7e]{1,100}", key):
        raise HttpRefusal(
            400, "idempotency_key_required", "Send an Idempotency-Key header of 1 to 100 printable ASCII characters."
        )
    return key
