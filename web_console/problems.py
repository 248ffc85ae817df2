"""Errors as answers: one table from our error classes to HTTP statuses, one shape (RFC 9457) for everything that goes wrong.

Nothing here decides what is an error; it only says it. Internals never leave: an unexpected exception becomes an incident
number that the log explains, and a part that is away is named without its address.
"""

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from resort import errors
from resort.errors import SnowgateError
from resort.ids import IdSource
from web_console.bodies import Problem

_log = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"
DETAIL_LIMIT = 300  # a detail may quote input; the quote must not make the answer as long as the request
RETRY_UNAVAILABLE_S = 2
BEARER = 'Bearer realm="snowgate"'  # RFC 9110 wants every 401 to name a scheme; this one opens no dialogue in browsers

# Looked up along the class's ancestors, nearest first, so a new error is answered like its branch of the tree.
STATUS_OF: Mapping[type[SnowgateError], HTTPStatus] = {
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.NotPermitted: HTTPStatus.FORBIDDEN,
    errors.NotSignedIn: HTTPStatus.UNAUTHORIZED,
    errors.KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.AmountMismatch: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Refused: HTTPStatus.CONFLICT,
    errors.Busy: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidConfig: HTTPStatus.INTERNAL_SERVER_ERROR,
    SnowgateError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

# What aiohttp itself answers, in our words.
DETAIL_OF_STATUS: Mapping[int, tuple[str, str]] = {
    400: ("malformed_request", "The request is not well-formed HTTP."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take that method; see the Allow header."),
    413: ("body_too_large", "The body is larger than 64 KiB."),
    417: ("expectation_failed", "The only expectation that can be met is 100-continue."),
}


class HttpRefusal(SnowgateError):
    """A request that is wrong as HTTP: told by `status`, a stable `code` and one sentence."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, code, detail, headers)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return self.detail


def problem_response(
    status: int, code: str, detail: str, *, field: str = "", incident: str = "", headers: Mapping[str, str] | None = None
) -> web.Response:
    """An answer in the one shape."""
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    shown = detail if len(detail) <= DETAIL_LIMIT else detail[: DETAIL_LIMIT - 1] + "…"
    problem = Problem(f"urn:snowgate:problem:{code}", title, status, shown, code, field, incident)
    return web.Response(status=status, body=msgspec.json.encode(problem), content_type=PROBLEM_TYPE, headers=headers)


def status_of(error: SnowgateError) -> HTTPStatus:
    """The status of the nearest ancestor in the table."""
    return next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)


def response_to(error: SnowgateError, ids: IdSource) -> web.Response:
    """The answer to one of our errors. Bugs are logged with an incident number, which is all that the caller gets."""
    if isinstance(error, HttpRefusal):
        return problem_response(error.status, error.code, str(error), headers=error.headers)
    status = status_of(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return incident_response(error, ids)
    if isinstance(error, errors.NotSignedIn):
        return problem_response(status, error.code, str(error), headers={"WWW-Authenticate": BEARER})
    if isinstance(error, errors.Busy):
        retry = {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
        return problem_response(status, error.code, str(error), headers=retry)
    if isinstance(error, errors.Unavailable):
        _log.warning("answered 503: %s", error)
        # The detail may hold addresses and paths of ours: it is for the log.
        sentence = f"{error.part} cannot be reached right now; try again in {RETRY_UNAVAILABLE_S} s."
        return problem_response(status, error.code, sentence, headers={"Retry-After": str(RETRY_UNAVAILABLE_S)})
    return problem_response(status, error.code, str(error), field=error.field if isinstance(error, errors.Invalid) else "")


def incident_response(error: BaseException, ids: IdSource) -> web.Response:
    """A 500 that says only under which number the log has the story."""
    incident = ids.new("incident")
    _log.error("%s: unexpected failure while answering a request", incident, exc_info=error)
    detail = f"Something went wrong on our side; give our staff the number {incident}."
    return problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", detail, incident=incident)


def response_to_http(error: web.HTTPException) -> web.Response:
    """What aiohttp raises (no such route, wrong method, body too large), in the one shape."""
    code, detail = DETAIL_OF_STATUS.get(error.status, ("http_error", f"{error.reason}."))
    headers = {"Allow": error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else None
    return problem_response(error.status, code, detail, headers=headers)


def problem_middleware(ids: IdSource) -> Middleware:
    """Turns whatever a handler raises into an answer; cancellation passes."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return response_to_http(error)
        except SnowgateError as error:
            return response_to(error, ids)
        except ConnectionError:
            return web.Response(status=HTTPStatus.BAD_REQUEST)  # the client went away: nobody reads this, and nobody logs it
        except Exception as error:
            return incident_response(error, ids)

    return middleware
