"""The console as a window of the resort: builds the one aiohttp application from its parts and serves it.

Wiring only. What a route does is in the `*_api` files, what every route needs in `routes.py`.
"""

import errno
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from aiohttp import web

from orchestrator.parts import OpenResort
from resort.errors import Unavailable
from web_console.alarm_api import AlarmApi
from web_console.callers import STAFF
from web_console.crowd_api import CrowdApi
from web_console.faces_api import FacesApi
from web_console.feed_hub import FeedHub, FeedTiming
from web_console.feed_sockets import FeedSockets
from web_console.lanes_api import LanesApi
from web_console.look_api import LookApi
from web_console.metrics import ConsoleFigures, MetricsPage
from web_console.openapi import OpenApiPage
from web_console.pages import STATIC_FOLDER, Pages
from web_console.people_api import PeopleApi
from web_console.problems import problem_middleware
from web_console.routes import BODY_LIMIT, Route, mount
from web_console.sales_api import SalesApi
from web_console.serving import ConsoleRunner, add_headers
from web_console.session_api import SessionApi
from web_console.site_api import SiteApi
from web_console.status_api import StatusApi
from web_console.tickets_api import TicketsApi
from web_console.webhooks import Webhooks

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what to type for them, not what to bind


class ConsoleWindow:
    """Serves HTTP API, feed and pages at `site.runtime.console_host:console_port` from `start` to `stop`.

    After `start` raised, nothing is left open and it may be tried again; after `stop` likewise.
    """

    def __init__(self, static_folder: Path = STATIC_FOLDER, timing: FeedTiming | None = None) -> None:
        self._static_folder = static_folder
        self._timing = timing or FeedTiming()
        self._hub: FeedHub | None = None
        self._sockets: FeedSockets | None = None
        self._webhooks: Webhooks | None = None
        self._runner: ConsoleRunner | None = None

    async def start(self, resort: OpenResort) -> str:
        """Open and return the address people type. Raises Unavailable when the address is taken."""
        self._hub = FeedHub(resort.feed, self._timing)
        self._sockets = FeedSockets(self._hub, resort.accounts, self._timing)
        self._webhooks = Webhooks(resort.webhooks, resort.site.name, resort.clock)
        app = web.Application(client_max_size=BODY_LIMIT, middlewares=[problem_middleware(resort.ids)])
        app.on_response_prepare.append(add_headers)
        table = route_table(resort, self._hub, self._sockets, self._static_folder, self._webhooks)
        mount(app, table, resort.accounts)
        self._runner = ConsoleRunner(app)
        host, port = resort.site.runtime.console_host, resort.site.runtime.console_port
        try:
            await self._runner.setup()
            await web.TCPSite(self._runner, host, port).start()
        except (OSError, OverflowError) as error:  # the latter for a port above 65535
            await self.stop()
            raise Unavailable("The console", _why_not(error, host, port)) from error
        await self._hub.start()
        await self._sockets.start()
        self._webhooks.start()
        return address(host, self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close every connection within 3 s; idempotent."""
        hub, sockets, webhooks, runner = self._hub, self._sockets, self._webhooks, self._runner
        self._hub = self._sockets = self._webhooks = self._runner = None
        if webhooks is not None:
            await webhooks.stop()
        if sockets is not None:
            await sockets.stop()
        if hub is not None:
            await hub.stop()
        if runner is not None:
            await runner.cleanup()


def route_table(
    resort: OpenResort,
    hub: FeedHub,
    sockets: FeedSockets,
    static_folder: Path = STATIC_FOLDER,
    webhooks: Webhooks | None = None,
) -> list[Route]:
    """Every route of the console, documented and ready to mount."""
    openapi = OpenApiPage(_version())
    figures = ConsoleFigures(lambda: sockets.count, lambda: hub.conflations, webhooks.figures if webhooks is not None else list,
                             resort.people.readings if resort.people is not None else list)  # fmt: skip
    table = [
        *SiteApi(hub, resort.gates, resort.accounts).routes(),
        *AlarmApi(hub, resort.alarms).routes(),
        *SalesApi(resort.office, resort.site).routes(),
        *TicketsApi(resort.desk).routes(),
        *LanesApi(resort.gates, resort.office, resort.ids).routes(),
        *LookApi(resort.faces, resort.ids).routes(),
        *PeopleApi(resort.people).routes(),
        *CrowdApi(resort.crowd).routes(),
        *StatusApi(resort.site, hub, resort.crowd, resort.clock).routes(),
        *FacesApi(resort.face_office).routes(),
        *SessionApi(resort.accounts, sockets.end_session).routes(),
        Route(
            "GET", "/api/feed", sockets.serve, STAFF, "The live feed, a WebSocket: a snapshot, then deltas and heartbeats",
            "see the gates", status=101, socket=True, problems=(400, 426, 429),
        ),
        *MetricsPage(resort.feed, figures, resort.faces.figures if resort.faces is not None else None, resort.crowd).routes(),
        *openapi.routes(),
        *Pages(static_folder).routes(),
    ]  # fmt: skip
    openapi.describe(table)
    return table


def address(host: str, port: int) -> str:
    """The address people type for a host and port that are listened on."""
    shown = WILDCARDS.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _why_not(error: OSError | OverflowError, host: str, port: int) -> str:
    if isinstance(error, OverflowError):
        return f"{port} is not a port; set runtime.console_port in the site file to 1 to 65535"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken; stop what uses it, or set runtime.console_port in the site file"
    return f"{host} port {port} cannot be opened ({error.strerror or error}); check runtime.console_host in the site file"


def _version() -> str:
    try:
        return version("snowgate")
    except PackageNotFoundError:  # run from a tree that is not installed
        return "0"
