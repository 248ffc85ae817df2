"""The OpenAPI 3.1 document, made from the same table of routes that the router is made from."""

from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from web_console.bodies import Problem
from web_console.callers import ANYONE, SESSION_COOKIE, Who
from web_console.problems import PROBLEM_TYPE
from web_console.routes import Call, Route, respond
from web_console.uploads import PICTURE_LIMIT, PICTURE_TYPES

DESCRIPTION = """Tickets and gates of one resort.

Every error is a problem document (RFC 9457) with a stable `code` and one sentence in `detail`. Money is minor units plus
currency. Times are RFC 3339. Steps that change something take an `Idempotency-Key` where stated: the same key with the same
request gives the same answer, with another request 422.
"""


def document(routes: list[Route], version: str) -> dict[str, Any]:
    """The whole document."""
    structs = [
        kind for route in routes for kind in (route.body, route.answer) if kind is not None and not isinstance(kind, str)
    ]
    schemas, components = msgspec.json.schema_components([*structs, Problem], ref_template="#/components/schemas/{name}")
    schema_of = {kind: schema for kind, schema in zip([*structs, Problem], schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Snowgate", "version": version, "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
                "bearer": {"type": "http", "scheme": "bearer", "description": "A channel key, or a session's token."},
            },
        },
    }


def _operation(route: Route, schema_of: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__qualname__.replace(".", "_"),
        "summary": route.summary,
        "description": f"Who may call: {route.who.name}.",
        "responses": _responses(route, schema_of),
        "security": _security(route.who),
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1, "maxLength": 64}}
        for name in route.parameters
    ]
    if route.keyed:
        key = {"type": "string", "pattern": "^[ -~]{1,100}$"}
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": True, "schema": key})
    if route.query is not None:
        parameters.extend(_query_parameters(route.query))
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema_of[route.body]}}}
    if route.pictures:
        picture = {"schema": {"type": "string", "format": "binary", "maxLength": PICTURE_LIMIT}}
        operation["requestBody"] = {"required": True, "content": {kind: picture for kind in PICTURE_TYPES}}
    return operation


def _query_parameters(kind: Any) -> list[dict[str, Any]]:
    """The fields of a query's struct; these are plain, so that their schemas refer to nothing."""
    (_, components) = msgspec.json.schema_components([kind])
    schema = components[kind.__name__]
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": of_field}
        for name, of_field in schema["properties"].items()
    ]


def _security(who: Who) -> list[dict[str, list[str]]]:
    if who.public:
        return [{}] if not who.asked else [{}, {"session": []}, {"bearer": []}]
    return [{"session": []}, {"bearer": []}]


def _responses(route: Route, schema_of: dict[Any, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    if isinstance(route.answer, str):
        success["content"] = {route.answer: {"schema": {"type": "string"}}}
    elif route.answer is not None:
        success["content"] = {"application/json": {"schema": schema_of[route.answer]}}
    responses = {str(route.status): success}
    problem = {PROBLEM_TYPE: {"schema": schema_of[Problem]}}
    for status in sorted(_problem_statuses(route)):
        content = dict(problem)
        if status == HTTPStatus.SERVICE_UNAVAILABLE and route.path == "/api/health":
            content = {"application/json": {"schema": schema_of[route.answer]}}
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
    responses["default"] = {"description": "Any other problem", "content": dict(problem)}
    return responses


def _problem_statuses(route: Route) -> set[int]:
    statuses = set(route.problems)
    if not route.who.public:
        statuses |= {401, 403}
    if route.who.asked:
        statuses.add(503)  # accounts are asked, and may be away
    if route.parameters:
        statuses.add(404)
    if route.query is not None:
        statuses.add(422)
    if route.body is not None or route.pictures:
        statuses |= {400, 413, 415, 422}
    return statuses


class OpenApiPage:
    """The handler of `/openapi.json`: the document of every route, itself included."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._encoded: bytes | None = None

    def routes(self) -> list[Route]:
        """This part of the table."""
        return [Route("GET", "/openapi.json", self.read, ANYONE, "This document", answer="application/json")]

    def describe(self, routes: list[Route]) -> None:
        """Make the document of the finished table; call once, before serving."""
        self._encoded = msgspec.json.encode(document(routes, self._version))

    async def read(self, call: Call) -> web.StreamResponse:
        """The document."""
        return respond(msgspec.Raw(self._encoded or b"{}"))
