"""Routes as data: one table makes both the routing and the OpenAPI document, so the two cannot drift apart.

An endpoint here does what every route needs (who calls, from which page, what body) and then calls the route's handler with
what is left to know. It knows nothing of sales or gates.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import HttpVersion11, hdrs, web
from aiohttp.typedefs import Handler

from storage.accounts import Accounts
from web_console.callers import NOBODY, SAFE_METHODS, Caller, Who, check_same_site, idempotency_key, identify
from web_console.problems import HttpRefusal, problem_response
from web_console.uploads import as_invalid, decoded_query, picture_body

BODY_LIMIT = 64 * 1024
# Ids in addresses: anything short without control characters. Sites name their own gates, in any script.
PATH_ID = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
_PLACEHOLDER = re.compile(r"{(\w+)}")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as a handler sees it. `body` is an instance of the route's request type."""

    request: web.Request
    caller: Caller
    ids: dict[str, str]
    body: Any = None
    key: str = ""  # idempotency key, on routes that require one
    query: Any = None  # an instance of the route's query type


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table. `answer` is a struct type for JSON, None for no content, or a media type for anything else."""

    method: str
    path: str
    handler: Callable[[Call], Awaitable[object]]
    who: Who
    summary: str
    action: str = "do this"  # completes "This account may not …"
    body: Any = None
    answer: Any = None
    status: int = 200
    keyed: bool = False  # needs an Idempotency-Key
    socket: bool = False
    query: Any = None  # a struct whose fields come in the address's query; nothing secret, as addresses are logged elsewhere
    pictures: bool = False  # the body is a JPEG or PNG; a handler gets its bytes
    problems: tuple[int, ...] = field(default=())  # statuses beyond those that follow from the other columns

    @property
    def parameters(self) -> list[str]:
        """Names of the ids in the path."""
        return _PLACEHOLDER.findall(self.path)


def mount(app: web.Application, routes: list[Route], accounts: Accounts) -> None:
    """Add every route of the table to the application's router."""
    for route in routes:
        handler = endpoint(route, accounts)
        app.router.add_route(route.method, route.path, handler, expect_handler=answer_expectation)
        if route.method == "GET" and not route.socket:
            app.router.add_route("HEAD", route.path, handler, expect_handler=answer_expectation)


def endpoint(route: Route, accounts: Accounts) -> Handler:
    """The aiohttp handler of a route."""
    decoder = msgspec.json.Decoder(route.body) if route.body is not None else None

    async def handle(request: web.Request) -> web.StreamResponse:
        # Before anything is looked up: a forged request must not even cost a query.
        if request.method not in SAFE_METHODS or route.socket:
            check_same_site(request, socket=route.socket)
        caller = await identify(request, accounts) if route.who.asked else NOBODY
        route.who.check(caller, route.action)
        ids = path_ids(request)
        key = idempotency_key(request.headers) if route.keyed else ""
        query = decoded_query(request, route.query) if route.query is not None else None
        if route.pictures:
            body: Any = await picture_body(request)
        else:
            body = await decoded_body(request, decoder) if decoder is not None else None
        return respond(await route.handler(Call(request, caller, ids, body, key, query)), route.status)

    return handle


def respond(result: object, status: int = 200) -> web.StreamResponse:
    """A handler's result as an answer: a response passes as it is, None has no body, all else is JSON."""
    if isinstance(result, web.StreamResponse):
        return result
    if result is None:
        return web.Response(status=204)
    return web.Response(status=status, body=msgspec.json.encode(result), content_type="application/json")


def path_ids(request: web.Request) -> dict[str, str]:
    """The ids in the address, decoded. One that cannot be an id is simply not found."""
    ids = dict(request.match_info)
    if not all(PATH_ID.fullmatch(value) for value in ids.values()):
        raise HttpRefusal(404, "not_found", "There is nothing at this address.")
    return ids


async def decoded_body(request: web.Request, decoder: msgspec.json.Decoder[Any]) -> Any:
    """Read and check a JSON body. Raises HttpRefusal for what is not JSON, Invalid naming the field for what does not fit."""
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
        raise HttpRefusal(415, "wrong_content_type", "Send the body as application/json in UTF-8.")
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise HttpRefusal(415, "wrong_content_encoding", "Send the body without compression.")
    try:
        raw = await request.read()
    except (web.HTTPException, ConnectionError):
        raise
    except Exception as error:  # a body whose chunks or length are broken; aiohttp's classes for it vary with its parser
        raise HttpRefusal(400, "malformed_body", "The body could not be read to its end.") from error
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise as_invalid(str(error)) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise HttpRefusal(400, "malformed_json", "The body is not valid JSON.") from error


async def answer_expectation(request: web.Request) -> web.StreamResponse | None:
    """Say `100 Continue`, or refuse any other expectation in the one shape (aiohttp would answer in plain text)."""
    if request.headers.get(hdrs.EXPECT, "").lower() != "100-continue":
        return problem_response(417, "expectation_failed", "The only expectation that can be met is 100-continue.")
    if request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer proper has not begun
    return None
