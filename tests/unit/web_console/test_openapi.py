"""The OpenAPI document is valid, and says of each route what the router does."""

import re
from typing import Any

import aiohttp
import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.unit.web_console.fakes import CHANNEL_KEYS, DAY, QUICK, FakeResort
from web_console.feed_hub import FeedHub
from web_console.feed_sockets import FeedSockets
from web_console.window import route_table


@pytest.fixture
async def document(client: aiohttp.ClientSession) -> dict[str, Any]:
    async with client.get("/openapi.json") as answer:
        assert answer.content_type == "application/json"
        body: dict[str, Any] = await answer.json()
    return body


def test_validator_can_fail() -> None:
    with pytest.raises(Exception, match="required property"):
        OpenAPIV31SpecValidator({"openapi": "3.1.0"}).validate()


def test_document_is_valid(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_is_described_and_nothing_else(document: dict[str, Any], resort: FakeResort) -> None:
    opened = resort.opened()
    hub = FeedHub(opened.feed, QUICK)
    table = route_table(opened, hub, FeedSockets(hub, opened.accounts, QUICK))
    described = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    assert described == {(route.method, route.path) for route in table}
    assert len(table) == len(described), "a route stands in the table twice"


def test_operations_have_distinct_names_and_a_summary(document: dict[str, Any]) -> None:
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] and operation["responses"]["default"] for operation in operations)


def test_security_is_stated(document: dict[str, Any]) -> None:
    assert document["paths"]["/api/health"]["get"]["security"] == [{}]
    assert {} not in document["paths"]["/api/orders"]["post"]["security"]
    assert document["paths"]["/api/orders"]["post"]["parameters"][0]["name"] == "Idempotency-Key"


async def test_unauthenticated_answers_match_the_stated_security(
    document: dict[str, Any], client: aiohttp.ClientSession
) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            address = re.sub(r"{\w+}", "some-id", path)
            async with client.request(method, address) as answer:
                assert (answer.status == 401) == ({} not in operation["security"]), (method, path)


async def test_answers_satisfy_their_schemas(document: dict[str, Any], client: aiohttp.ClientSession) -> None:
    def check(method: str, path: str, status: int, media: str, body: object) -> None:
        schema = document["paths"][path][method]["responses"][str(status)]["content"][media]["schema"]
        jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(body)

    headers = {"Authorization": f"Bearer {next(iter(CHANNEL_KEYS))}", "Idempotency-Key": "k"}
    ask = {"product": "single", "day": DAY.isoformat(), "units": {"adult": 1}}
    async with client.get("/api/catalogue") as answer:
        check("get", "/api/catalogue", 200, "application/json", await answer.json())
    async with client.post("/api/quotes", json=ask, headers=headers) as answer:
        quote = await answer.json()
        check("post", "/api/quotes", 201, "application/json", quote)
    async with client.post("/api/orders", json={"quote_id": quote["quote_id"]}, headers=headers) as answer:
        check("post", "/api/orders", 201, "application/json", await answer.json())
    async with client.post("/api/orders", json={"quote_id": 5}, headers=headers) as answer:
        check("post", "/api/orders", 422, "application/problem+json", await answer.json(content_type=None))
    with pytest.raises(jsonschema.ValidationError):
        check("post", "/api/orders", 201, "application/json", quote)
