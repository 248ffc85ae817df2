"""Each route for each kind of caller, and the same shape for everything that goes wrong."""

from collections.abc import Awaitable, Callable

import aiohttp
import msgspec
import pytest
from yarl import URL

from resort.errors import Busy, DatabaseUnavailable, InvalidTransition, SoldOut, Unavailable
from tests.unit.web_console.answers import assert_problem
from tests.unit.web_console.fakes import DAY, QUICK, STAFF, TICKET, FakeResort
from web_console.window import ConsoleWindow

StaffMaker = Callable[[str], Awaitable[aiohttp.ClientSession]]
ChannelMaker = Callable[[str], aiohttp.ClientSession]

QUOTE = {"product": "single", "day": DAY.isoformat(), "units": {"adult": 2, "child": 1}}
KEY = {"Idempotency-Key": "k-1"}
CALLERS = ("nobody", *STAFF, "partner")

# method, path, body, headers, and the status for each caller
MATRIX: list[tuple[str, str, object, dict[str, str], dict[str, int]]] = [
    ("GET", "/api/health", None, {}, dict.fromkeys(CALLERS, 200)),
    ("GET", "/api/catalogue", None, {}, dict.fromkeys(CALLERS, 200)),
    ("POST", "/api/quotes", QUOTE, {}, dict.fromkeys(CALLERS, 201)),
    ("GET", "/openapi.json", None, {}, dict.fromkeys(CALLERS, 200)),
    ("GET", "/metrics", None, {}, dict.fromkeys(CALLERS, 200)),
    ("GET", "/", None, {}, dict.fromkeys(CALLERS, 200)),
    ("GET", "/api/session", None, {}, {**dict.fromkeys(STAFF, 200), "nobody": 401, "partner": 403}),
    ("DELETE", "/api/session", None, {}, {**dict.fromkeys(STAFF, 204), "nobody": 401, "partner": 403}),
    ("GET", "/api/gates", None, {}, {**dict.fromkeys(STAFF, 200), "nobody": 401, "partner": 403}),
    ("GET", "/api/gates/village", None, {}, {**dict.fromkeys(STAFF, 200), "nobody": 401, "partner": 403}),
    ("GET", f"/api/tickets/{TICKET}", None, {}, {**dict.fromkeys(STAFF, 200), "nobody": 401, "partner": 200}),
    ("GET", "/api/feed", None, {}, {**dict.fromkeys(STAFF, 403), "nobody": 401, "partner": 403}),
    (
        "PUT",
        "/api/lanes/village-1/mode",
        {"mode": "closed"},
        {},
        {"nobody": 401, "anna": 200, "carl": 403, "cora": 200, "vera": 403, "partner": 403},
    ),
    (
        "POST",
        "/api/orders",
        {"quote_id": "quote_unknown"},
        KEY,
        {"nobody": 401, "anna": 404, "carl": 404, "cora": 403, "vera": 403, "partner": 404},
    ),
    (
        "GET",
        "/api/orders/order_unknown",
        None,
        {},
        {"nobody": 401, "anna": 404, "carl": 404, "cora": 403, "vera": 403, "partner": 404},
    ),
    (
        "POST",
        "/api/orders/order_unknown/payments",
        {"method": "cash", "amount": {"minor": 1, "currency": "CNY"}},
        KEY,
        {"nobody": 401, "anna": 404, "carl": 404, "cora": 403, "vera": 403, "partner": 404},
    ),
    (
        "DELETE",
        "/api/orders/order_unknown",
        None,
        {},
        {"nobody": 401, "anna": 404, "carl": 404, "cora": 403, "vera": 403, "partner": 404},
    ),
]


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "expected"), MATRIX, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_who_may_call(
    method: str,
    path: str,
    body: object,
    headers: dict[str, str],
    expected: dict[str, int],
    caller: str,
    client: aiohttp.ClientSession,
    as_staff: StaffMaker,
    as_channel: ChannelMaker,
    resort: FakeResort,
) -> None:
    if caller == "nobody":
        session = client
    elif caller == "partner":
        session = as_channel("key-of-partner")
    else:
        session = await as_staff(caller)
    await live(client)
    async with session.request(method, path, json=body, headers=headers) as answer:
        if expected[caller] >= 400:
            await assert_problem(answer, expected[caller])
        assert answer.status == expected[caller]
    if answer.status in {401, 403}:
        assert resort.gates.orders == []
        assert resort.office.calls == []


async def live(client: aiohttp.ClientSession) -> None:
    """Wait for the hub's first snapshot."""
    while True:
        async with client.get("/api/health") as answer:
            if answer.status == 200:
                return


async def test_an_order_from_quote_to_ticket(as_channel: ChannelMaker, resort: FakeResort) -> None:
    kiosk = as_channel("key-of-kiosk")
    async with kiosk.post("/api/quotes", json=QUOTE) as answer:
        quote = await answer.json()
        assert quote["channel"] == "kiosk"
        assert sum(part["amount"]["minor"] for part in quote["parts"]) == quote["total"]["minor"]
    async with kiosk.post("/api/orders", json={"quote_id": quote["quote_id"]}, headers=KEY) as answer:
        assert answer.status == 201
        order = await answer.json()
    address = f"/api/orders/{order['order_id']}"
    async with kiosk.post(f"{address}/payments", json={"method": "cash", "amount": quote["total"]}, headers=KEY) as answer:
        assert answer.status == 201
        assert [ticket["ticket_id"] for ticket in (await answer.json())["tickets"]] == [TICKET]
    async with kiosk.get(address) as answer:
        assert (await answer.json())["state"] == "issued"
    assert resort.office.calls == [("place", "kiosk", "k-1"), ("pay", "kiosk", "k-1")]


async def test_another_channels_order_does_not_exist(as_channel: ChannelMaker, as_staff: StaffMaker) -> None:
    kiosk, partner, cashier = as_channel("key-of-kiosk"), as_channel("key-of-partner"), await as_staff("carl")
    async with kiosk.post("/api/quotes", json=QUOTE) as answer:
        quote = await answer.json()
    async with kiosk.post("/api/orders", json={"quote_id": quote["quote_id"]}, headers=KEY) as answer:
        address = f"/api/orders/{(await answer.json())['order_id']}"
    payment = {"method": "cash", "amount": quote["total"]}
    async with partner.get(address) as answer:
        await assert_problem(answer, 404, "not_found")
    async with partner.delete(address) as answer:
        await assert_problem(answer, 404, "not_found")
    async with partner.post(f"{address}/payments", json=payment, headers=KEY) as answer:
        await assert_problem(answer, 404, "not_found")
    async with cashier.get(address) as answer:
        assert answer.status == 200
    async with cashier.delete(address) as answer:
        assert (await answer.json())["state"] == "cancelled"


async def test_the_channel_follows_from_who_asks(client: aiohttp.ClientSession, as_staff: StaffMaker) -> None:
    async with client.post("/api/quotes", json=QUOTE) as answer:
        assert (await answer.json())["channel"] == "shop"
    async with client.post("/api/quotes", json={**QUOTE, "channel": "partner"}) as answer:
        await assert_problem(answer, 403, "not_permitted")
    async with (await as_staff("carl")).post("/api/quotes", json={**QUOTE, "channel": "desk"}) as answer:
        assert (await answer.json())["channel"] == "desk"


async def test_the_catalogue_keeps_quotas_to_itself(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/catalogue") as answer:
        catalogue = await answer.json()
    assert [product["code"] for product in catalogue["products"]][:2] == ["single", "single-fast"]
    assert "quota" not in str(catalogue)


async def test_lane_orders_carry_the_name_of_who_gave_them(as_staff: StaffMaker, resort: FakeResort) -> None:
    cora = await as_staff("cora")
    async with cora.put("/api/lanes/village-1/mode", json={"mode": "closed"}) as answer:
        assert await answer.json() == {"lane_id": "village-1", "mode": "closed"}
    async with cora.put("/api/lanes/nowhere/mode", json={"mode": "open"}) as answer:
        await assert_problem(answer, 404, "not_found")
    assert resort.gates.orders == [("village-1", "closed", "cora")]


async def test_gates_come_from_the_live_board(as_staff: StaffMaker, client: aiohttp.ClientSession, resort: FakeResort) -> None:
    vera = await as_staff("vera")
    await live(client)
    async with vera.get("/api/gates") as answer:
        gates = await answer.json()
    assert [lane["lane_id"] for lane in gates["lanes"]] == ["village-1", "village-2", "north-1"]
    async with vera.get("/api/gates/village") as answer:
        assert [lane["lane_id"] for lane in (await answer.json())["lanes"]] == ["village-1", "village-2"]
    async with vera.get("/api/gates/nowhere") as answer:
        await assert_problem(answer, 404, "not_found")
    await resort.feed.go_away()
    while True:
        async with vera.get("/api/gates") as answer:
            if answer.status != 200:
                break
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "2"


async def test_health_names_the_part_that_is_away(client: aiohttp.ClientSession, resort: FakeResort) -> None:
    await live(client)
    resort.accounts.fails_with = DatabaseUnavailable("The database", "/secret/path is locked")
    async with client.get("/api/health") as answer:
        assert answer.status == 503
        health = await answer.json()
    assert {part["part"]: part["ok"] for part in health["parts"]} == {"database": False, "feed": True, "lanes": True}
    assert "secret" not in str(health)


@pytest.mark.parametrize(
    ("error", "status", "code", "header"),
    [
        (SoldOut("single", "2027-01-08", 0), 409, "sold_out", None),
        (Busy("Pricing", 0.2), 429, "busy", "Retry-After"),
        (DatabaseUnavailable("The database", "cannot open /srv/secret.db"), 503, "database_unavailable", "Retry-After"),
        (InvalidTransition("order", "new", "pay", ("new",)), 500, "internal_error", None),
        (RuntimeError("the secret is 42"), 500, "internal_error", None),
        (RecursionError(), 500, "internal_error", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_failures_of_parts(
    error: Exception, status: int, code: str, header: str | None, client: aiohttp.ClientSession, resort: FakeResort
) -> None:
    resort.office.fails_with = error
    async with client.post("/api/quotes", json=QUOTE) as answer:
        problem = await assert_problem(answer, status, code)
    assert "secret" not in str(problem)
    assert header is None or header in answer.headers
    assert ("incident" in problem) == (status == 500)


async def test_cookie_flags_and_sign_out(client: aiohttp.ClientSession, as_staff: StaffMaker, resort: FakeResort) -> None:
    sign_in = {"name": "anna", "password": "right horse"}
    async with client.post("/api/session", json=sign_in) as answer:
        assert await answer.json() == {"name": "anna", "role": "admin"}
        cookie = answer.headers["Set-Cookie"]
    assert "snowgate_session=" in cookie
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie
    async with client.post("/api/session", json=sign_in, headers={"X-Forwarded-Proto": "https"}) as answer:
        assert "Secure" in answer.headers["Set-Cookie"]
    vera = await as_staff("vera")
    assert len(resort.accounts.sessions) == 3
    async with vera.delete("/api/session") as answer:
        assert answer.status == 204
    assert len(resort.accounts.sessions) == 2
    async with vera.get("/api/session") as answer:
        await assert_problem(answer, 401, "not_signed_in")


async def test_signing_in_again_ends_the_session_before(as_staff: StaffMaker, resort: FakeResort) -> None:
    anna = await as_staff("anna")
    async with anna.post("/api/session", json={"name": "anna", "password": "right horse"}) as answer:
        assert answer.status == 201
    assert len(resort.accounts.sessions) == 1


async def test_a_wrong_password_is_told_without_saying_which_part_was_wrong(client: aiohttp.ClientSession) -> None:
    details = set()
    for name in ("anna", "nobody-of-this-name"):
        async with client.post("/api/session", json={"name": name, "password": "wrong horse"}) as answer:
            problem = await assert_problem(answer, 401, "not_signed_in")
            assert "WWW-Authenticate" in answer.headers
            details.add(problem["detail"])
    assert details == {"The name or the password is wrong."}


async def test_a_session_token_works_as_bearer_for_programs(resort: FakeResort, client: aiohttp.ClientSession) -> None:
    signed_in = await resort.accounts.sign_in("vera", "right horse")
    async with client.get("/api/session", headers={"Authorization": f"Bearer {signed_in.token}"}) as answer:
        assert await answer.json() == {"name": "vera", "role": "viewer"}


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer ", "Basic YTpi", "x", "Bearer a b", "Bearer " + "x" * 600])
async def test_a_bad_authorization_header_is_never_taken_for_none(header: str, client: aiohttp.ClientSession) -> None:
    async with client.post("/api/quotes", json=QUOTE, headers={"Authorization": header}) as answer:
        await assert_problem(answer, 401, "not_signed_in")


async def test_security_headers_are_on_every_answer(client: aiohttp.ClientSession) -> None:
    for path in ("/", "/api/catalogue", "/api/nowhere", "/api/gates", "/metrics", "/assets/index-4f2a.js"):
        async with client.get(path) as answer:
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"], path
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], path
            assert "unsafe" not in answer.headers["Content-Security-Policy"], path
            assert answer.headers["X-Content-Type-Options"] == "nosniff", path
            assert answer.headers["Referrer-Policy"] == "no-referrer", path
            assert answer.headers["Cache-Control"] == (
                "public, max-age=31536000, immutable" if "assets" in path else "no-cache" if path == "/" else "no-store"
            )


async def test_a_taken_port_is_told_in_one_sentence_and_leaves_nothing_open(url: str) -> None:
    port = URL(url).port
    assert port is not None
    window = ConsoleWindow(timing=QUICK)
    with pytest.raises(Unavailable) as refusal:
        await window.start(FakeResort(port=port).opened())
    assert str(refusal.value) == (
        f"The console cannot be reached: port {port} on 127.0.0.1 is taken; "
        "stop what uses it, or set runtime.console_port in the site file."
    )
    await window.stop()


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 99_999), ("192.0.2.1", 8080), ("no host at all", 8080)])
async def test_an_address_that_cannot_be_opened_is_told_in_one_sentence(host: str, port: int, resort: FakeResort) -> None:
    runtime = msgspec.structs.replace(resort.site.runtime, console_host=host, console_port=port)
    resort.site = msgspec.structs.replace(resort.site, runtime=runtime)
    with pytest.raises(Unavailable, match=r"in the site file\.$|to 65535\.$"):
        await ConsoleWindow(timing=QUICK).start(resort.opened())


async def test_a_window_can_be_opened_again_after_it_was_stopped(resort: FakeResort) -> None:
    window = ConsoleWindow(timing=QUICK)
    for _ in range(2):
        address = await window.start(resort.opened())
        async with aiohttp.ClientSession(address) as session, session.get("/api/catalogue") as answer:
            assert answer.status == 200
        await window.stop()
        await window.stop()
        with pytest.raises(aiohttp.ClientConnectorError):
            async with aiohttp.ClientSession(address) as session:
                await session.get("/api/catalogue")


async def test_stopping_before_starting_is_nothing() -> None:
    await ConsoleWindow().stop()
