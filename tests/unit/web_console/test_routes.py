"""Malformed requests of every kind: 4xx in the one shape, never a 500, and never anything done."""

import asyncio
import gzip
import json

import aiohttp
import msgspec
import pytest
from yarl import URL

from tests.unit.web_console.answers import assert_problem, assert_problem_body
from tests.unit.web_console.fakes import FakeResort

QUOTE = {"product": "single", "day": "2027-01-08", "units": {"adult": 1}}
PAYMENT = {"method": "cash", "amount": {"minor": 1, "currency": "CNY"}}
DEEP = b"[" * 30_000


def quote(**changes: object) -> bytes:
    return json.dumps({**QUOTE, **changes}).encode()


def payment(**changes: object) -> bytes:
    return json.dumps({**PAYMENT, **changes}).encode()


# path, body, status, field of the problem ("" where there is none)
BODIES: list[tuple[str, bytes, int, str]] = [
    ("/api/quotes", b"", 400, ""),
    ("/api/quotes", b"{", 400, ""),
    ("/api/quotes", b"nonsense", 400, ""),
    ("/api/quotes", b"{'a': 1}", 400, ""),
    ("/api/quotes", quote()[:-1], 400, ""),
    ("/api/quotes", quote() + b"x", 400, ""),
    ("/api/quotes", b"\xff\xfe\x00", 400, ""),
    ("/api/quotes", b'{"product": "\xff\xff", "day": "2027-01-08", "units": {"adult": 1}}', 400, ""),
    ("/api/quotes", b'{"product": "\\ud800", "day": "2027-01-08", "units": {"adult": 1}}', 400, ""),
    ("/api/quotes", DEEP, 422, "body"),
    ("/api/quotes", b'{"unknown": ' + DEEP, 422, "body"),
    ("/api/quotes", b'{"product": NaN}', 400, ""),
    ("/api/quotes", b"null", 422, "body"),
    ("/api/quotes", b"[]", 422, "body"),
    ("/api/quotes", b"1e999", 422, "body"),
    ("/api/quotes", b'"text"', 422, "body"),
    ("/api/quotes", b"{}", 422, "body"),
    ("/api/quotes", quote(extra=1), 422, "body"),
    ("/api/quotes", quote(**{"x" * 60_000: 1}), 422, "body"),
    ("/api/quotes", quote(product=None), 422, "product"),
    ("/api/quotes", quote(product=7), 422, "product"),
    ("/api/quotes", quote(product=""), 422, "product"),
    ("/api/quotes", quote(product="x" * 65), 422, "product"),
    ("/api/quotes", quote(product="single\n"), 422, "product"),
    ("/api/quotes", quote(product="a\x00b"), 422, "product"),
    ("/api/quotes", quote(product="' OR 1=1 --"), 422, "product"),
    ("/api/quotes", quote(product="unknown"), 404, ""),
    ("/api/quotes", quote(day="yesterday"), 422, "day"),
    ("/api/quotes", quote(day="2027-02-30"), 422, "day"),
    ("/api/quotes", quote(day="2027-1-8"), 422, "day"),
    ("/api/quotes", quote(day="99999-01-01"), 422, "day"),
    ("/api/quotes", quote(day="0000-00-00"), 422, "day"),
    ("/api/quotes", quote(day="0001-01-01"), 422, "day"),
    ("/api/quotes", quote(day="9999-12-31"), 422, "day"),
    ("/api/quotes", quote(day="2026-01-01"), 422, "day"),
    ("/api/quotes", quote(day=20270108), 422, "day"),
    ("/api/quotes", quote(units={}), 422, "units"),
    ("/api/quotes", quote(units=[]), 422, "units"),
    ("/api/quotes", quote(units={"adult": 0}), 422, "units[...]"),
    ("/api/quotes", quote(units={"adult": -1}), 422, "units[...]"),
    ("/api/quotes", quote(units={"adult": 1.5}), 422, "units[...]"),
    ("/api/quotes", quote(units={"adult": True}), 422, "units[...]"),
    ("/api/quotes", quote(units={"adult": "2"}), 422, "units[...]"),
    ("/api/quotes", quote(units={"adult": 10**30}), 422, "units[...]"),
    ("/api/quotes", quote(units={"adult": 21}), 422, "units"),
    ("/api/quotes", quote(units={"yeti": 1}), 422, "units"),
    ("/api/quotes", quote(units={"": 1}), 422, "units"),
    ("/api/quotes", quote(units={f"u{number}": 1 for number in range(21)}), 422, "units"),
    ("/api/quotes", quote(channel="pigeon"), 422, "channel"),
    ("/api/orders", b"{}", 422, "body"),
    ("/api/orders", b'{"quote_id": 1}', 422, "quote_id"),
    ("/api/orders", b'{"quote_id": "a b"}', 422, "quote_id"),
    ("/api/orders", b'{"quote_id": "no_such_quote"}', 404, ""),
    ("/api/orders/order_1/payments", payment(method="card"), 422, "method"),
    ("/api/orders/order_1/payments", payment(amount=120), 422, "amount"),
    ("/api/orders/order_1/payments", payment(amount={"minor": 1.0e400, "currency": "CNY"}), 400, ""),
    ("/api/orders/order_1/payments", payment(amount={"minor": 2**53, "currency": "CNY"}), 422, "amount.minor"),
    ("/api/orders/order_1/payments", payment(amount={"minor": 10**400, "currency": "CNY"}), 422, "amount.minor"),
    ("/api/orders/order_1/payments", payment(amount={"minor": -1, "currency": "CNY"}), 422, "amount.minor"),
    ("/api/orders/order_1/payments", payment(amount={"minor": 1, "currency": "cny"}), 422, "amount.currency"),
    ("/api/orders/order_1/payments", payment(amount={"minor": 1, "currency": "CNY\n"}), 422, "amount.currency"),
    ("/api/orders/order_1/payments", payment(amount={"minor": 1}), 422, "amount"),
    ("/api/orders/order_1/payments", payment(), 404, ""),
    ("/api/session", b'{"name": "anna"}', 422, "body"),
    ("/api/session", b'{"name": "anna", "password": ""}', 422, "password"),
    ("/api/session", b'{"name": "anna", "password": 5}', 422, "password"),
    ("/api/session", b'{"name": "", "password": "x"}', 422, "name"),
    ("/api/session", b'{"name": "a\\u0000", "password": "x\\u0000"}', 401, ""),
    ("/api/session", b'{"name": "anna", "password": "x", "admin": true}', 422, "body"),
]


@pytest.mark.parametrize(
    ("path", "body", "status", "field"), BODIES, ids=[f"{n}-{b[:24]!r}" for n, (_, b, _, _) in enumerate(BODIES)]
)
async def test_malformed_bodies(
    path: str, body: bytes, status: int, field: str, client: aiohttp.ClientSession, resort: FakeResort
) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    if "orders" in path:
        headers["Authorization"] = "Bearer key-of-partner"
    async with client.post(path, data=body, headers=headers) as answer:
        problem = await assert_problem(answer, status)
    assert problem.get("field", "") == field
    assert resort.office.quotes == {}
    assert resort.office.orders == {}


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 415, "wrong_content_type"),
        ({"Content-Type": "text/plain"}, 415, "wrong_content_type"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "wrong_content_type"),
        ({"Content-Type": "application/json; charset=utf-16"}, 415, "wrong_content_type"),
        ({"Content-Type": "application/json; charset=klingon"}, 415, "wrong_content_type"),
        ({"Content-Type": ";;;"}, 415, "wrong_content_type"),
        ({"Content-Type": "application/json", "Content-Encoding": "compress"}, 415, "wrong_content_encoding"),
        ({"Content-Type": "application/json", "Expect": "200-ok"}, 417, "expectation_failed"),
    ],
)
async def test_wrong_kinds_of_body(headers: dict[str, str], status: int, code: str, client: aiohttp.ClientSession) -> None:
    async with client.post("/api/quotes", data=quote(), headers=headers, skip_auto_headers=["Content-Type"]) as answer:
        await assert_problem(answer, status, code)


async def test_a_compressed_body_is_refused_before_it_is_unpacked(client: aiohttp.ClientSession) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with client.post("/api/quotes", data=gzip.compress(b" " * 50_000_000), headers=headers) as answer:
        await assert_problem(answer, 415, "wrong_content_encoding")


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "application/json;charset=UTF8"]
)
async def test_right_kinds_of_body(content_type: str, client: aiohttp.ClientSession) -> None:
    async with client.post("/api/quotes", data=quote(), headers={"Content-Type": content_type}) as answer:
        assert answer.status == 201


async def test_a_body_over_the_limit_is_refused_and_one_below_it_is_not(client: aiohttp.ClientSession) -> None:
    headers = {"Content-Type": "application/json"}
    async with client.post("/api/quotes", data=quote() + b" " * 70_000, headers=headers) as answer:
        await assert_problem(answer, 413, "body_too_large")
    async with client.post("/api/quotes", data=quote() + b" " * 60_000, headers=headers) as answer:
        assert answer.status == 201


@pytest.mark.parametrize("key", [None, "", "x" * 101, "schl\u00fcssel", "\u96ea", "a\tb"])
async def test_idempotency_keys_that_are_none(key: str | None, client: aiohttp.ClientSession, resort: FakeResort) -> None:
    headers = {"Authorization": "Bearer key-of-partner"} | ({} if key is None else {"Idempotency-Key": key})
    for path, body in (("/api/orders", {"quote_id": "q"}), ("/api/orders/o/payments", PAYMENT)):
        async with client.post(path, json=body, headers=headers) as answer:
            await assert_problem(answer, 400, "idempotency_key_required")
    assert resort.office.calls == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api", 404),
        ("GET", "/api/", 404),
        ("GET", "/api/nowhere", 404),
        ("POST", "/api/nowhere", 404),
        ("DELETE", "/api/orders", 405),
        ("PATCH", "/api/quotes", 405),
        ("GET", "/api/quotes", 405),
        ("POST", "/api/health", 405),
        ("OPTIONS", "/api/quotes", 405),
        ("PROPFIND", "/api/quotes", 405),
        ("POST", "/", 405),
        ("GET", "/api/orders/%00", 404),
        ("GET", "/api/orders/a%00b", 404),
        ("GET", "/api/orders/%zz", 404),
        ("GET", "/api/orders/%", 404),
        ("GET", "/api/orders/%ff%fe", 404),
        ("GET", "/api/orders/%ed%a0%80", 404),
        ("GET", "/api/orders/%E9%9B%AA", 404),
        ("GET", "/api/orders/..%2f..%2fetc", 404),
        ("GET", "/api/orders/" + "x" * 65, 404),
        ("GET", "/api/orders/" + "x" * 4000, 404),
        ("GET", "/api/tickets/%0d%0aSet-Cookie:x=1", 404),
        ("GET", "/api/tickets/'%20OR%201=1", 404),
        ("GET", "/%00", 404),
        ("GET", "/a%00b.js", 404),
        ("GET", "/assets/%00.js", 404),
        ("GET", "/assets/..%2f..%2foutside.txt", 404),
        ("GET", "/..%2foutside.txt", 404),
        ("GET", "/.secret.txt", 404),
        ("GET", "/assets", 404),
        ("GET", "/assets/", 404),
        ("GET", "//evil.example", 404),
        ("GET", "/index.html%20", 404),
    ],
)
async def test_malformed_addresses(method: str, path: str, status: int, client: aiohttp.ClientSession, url: str) -> None:
    headers = {"Authorization": "Bearer key-of-partner"}
    async with client.request(method, URL(url + path, encoded=True), headers=headers) as answer:
        await assert_problem(answer, status)
    assert ("Allow" in answer.headers) == (status == 405)


RAW = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a plain port
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nno colon here\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
    b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 20_000 + b"\r\n\r\n",
    b"POST /api/quotes HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /api/quotes HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /api/quotes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
]


@pytest.mark.parametrize("raw", RAW, ids=lambda raw: repr(raw[:20]))
async def test_what_is_not_http_is_answered_in_the_same_shape(raw: bytes, url: str) -> None:
    address = URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(raw)
    async with asyncio.timeout(20):
        status_line = await reader.readuntil(b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        body = await reader.readexactly(int(length.split(b":")[1]))
    writer.close()
    await writer.wait_closed()
    assert status_line.split()[1] == b"400", status_line
    assert b"application/problem+json" in head
    assert_problem_body(msgspec.json.decode(body), 400)


async def test_a_client_that_leaves_in_the_middle_of_a_body_hurts_nobody(url: str, client: aiohttp.ClientSession) -> None:
    address = URL(url)
    _, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(b"POST /api/quotes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with client.get("/api/catalogue") as answer:
        assert answer.status == 200


async def test_100_continue(url: str) -> None:
    address = URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = ["POST /api/quotes HTTP/1.1", "Host: x", "Expect: 100-continue", "Content-Type: application/json"]
    writer.write("\r\n".join([*head, f"Content-Length: {len(quote())}", "", ""]).encode())
    async with asyncio.timeout(20):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(quote())
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 201 ")
    writer.close()
    await writer.wait_closed()
