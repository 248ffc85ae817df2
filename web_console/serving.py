"""How aiohttp is set up to serve: security headers, access log, and problem answers even to what is not HTTP.

aiohttp answers broken requests by itself, in plain text and with a stack trace in the log for whatever a port scanner sends;
the request handler here answers them like everything else, and quietly.
"""

import logging

from aiohttp import hdrs, web
from aiohttp.abc import AbstractAccessLogger

from web_console.problems import DETAIL_OF_STATUS, problem_response

_log = logging.getLogger(__name__)
_access_log = logging.getLogger("web_console.access")

SECURITY_HEADERS = {
    # 'self' covers the WebSocket of the same origin too (CSP 3, section 6.7.2.8). No inline script or style.
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LINGERING_S = 1.0  # how long what is left of a refused body is taken, so that its sender gets to read the answer
STOP_LIMIT_S = 1.0  # for requests under way when the console stops; long-lived sockets have ended before


async def add_headers(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Signal handler: security headers on every answer, and no caching unless the answer itself allows it."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    response.headers.popall(hdrs.SERVER, None)


class AccessLog(AbstractAccessLogger):
    """One line per request: method, the route's template, status, time. Never the address itself, which holds ids of orders and
    tickets, nor query, headers or body."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line."""
        self.logger.info("%s %s %s %.1f ms", request.method, template_of(request), response.status, time * 1000)

    @property
    def enabled(self) -> bool:
        """Whether anybody reads these lines."""
        return self.logger.isEnabledFor(logging.INFO)


def template_of(request: web.BaseRequest) -> str:
    """The route's template, such as `/api/orders/{order_id}`."""
    route = request.match_info.route if isinstance(request, web.Request) else None
    resource = route.resource if route is not None else None
    return resource.canonical if resource is not None else "(no route)"


class ConsoleRequestHandler(web.RequestHandler):
    """aiohttp's connection, with our own words for a request that is not HTTP."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that could not be parsed, then close. Internal errors are logged, junk is not."""
        if status >= 500:
            _log.error("unexpected failure outside any handler", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was under way already")
        code, detail = DETAIL_OF_STATUS.get(status, ("internal_error", "Something went wrong on our side."))
        response = problem_response(status, code, detail)
        response.headers.update({**SECURITY_HEADERS, hdrs.CACHE_CONTROL: "no-store"})
        response.force_close()
        return response


class ConsoleServer(web.Server):
    """Makes our kind of connection."""

    def __call__(self) -> web.RequestHandler:
        """A handler for one new connection."""
        return ConsoleRequestHandler(self, loop=self._loop, **self._kwargs)


class ConsoleRunner(web.AppRunner):
    """Runs the application with our server class."""

    def __init__(self, app: web.Application) -> None:
        super().__init__(app, handle_signals=False, shutdown_timeout=STOP_LIMIT_S)

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return ConsoleServer(
            made.request_handler,
            request_factory=made.request_factory,
            debug=False,
            access_log_class=AccessLog,
            access_log=_access_log,
            lingering_time=LINGERING_S,
        )
