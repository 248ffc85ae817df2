"""Pages of other sites cannot use a visitor's cookie: the matrix of Origin, Sec-Fetch-Site, cookie and Bearer."""

from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tests.unit.web_console.answers import assert_problem
from tests.unit.web_console.fakes import FakeResort
from web_console.callers import same_host

StaffMaker = Callable[[str], Awaitable[aiohttp.ClientSession]]

OWN = "OWN"  # replaced by the console's own address

# Origin, Sec-Fetch-Site, and whether an unsafe request that a cookie authorises may pass
UNSAFE = [
    (None, None, True),  # no browser: nothing is sent against its user's will
    (OWN, None, True),
    (OWN, "same-origin", True),
    (None, "same-origin", True),
    (None, "none", True),
    (OWN, "cross-site", False),
    (OWN, "same-site", False),
    (None, "cross-site", False),
    (None, "same-site", False),
    (None, "nonsense", False),
    ("https://evil.example", None, False),
    ("https://evil.example", "same-origin", False),
    ("http://127.0.0.1", None, False),  # another port is another origin
    ("http://127.0.0.1:1", None, False),
    ("null", None, False),
    ("", None, False),
    ("http://", None, False),
    ("file://", None, False),
    ("http://[::1", None, False),
    ("http://127.0.0.1:99999", None, False),
]


def browser_headers(url: str, origin: str | None, site: str | None) -> dict[str, str]:
    headers = {} if origin is None else {"Origin": url if origin == OWN else origin}
    return headers if site is None else {**headers, "Sec-Fetch-Site": site}


@pytest.mark.parametrize(("origin", "site", "passes"), UNSAFE)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/api/lanes/village-1/mode", {"mode": "closed"}),
        ("DELETE", "/api/session", None),
        ("POST", "/api/session", {"name": "anna", "password": "right horse"}),
    ],
)
async def test_unsafe_methods_by_cookie(
    method: str,
    path: str,
    body: object,
    origin: str | None,
    site: str | None,
    passes: bool,
    url: str,
    as_staff: StaffMaker,
    resort: FakeResort,
) -> None:
    anna = await as_staff("anna")
    sessions = dict(resort.accounts.sessions)
    async with anna.request(method, path, json=body, headers=browser_headers(url, origin, site)) as answer:
        if passes:
            assert answer.ok
        else:
            await assert_problem(answer, 403, "cross_site")
            assert resort.gates.orders == []
            assert resort.accounts.sessions == sessions


@pytest.mark.parametrize(("origin", "site"), [("https://evil.example", "cross-site"), (None, "same-site")])
async def test_safe_methods_are_not_hindered(origin: str | None, site: str, url: str, as_staff: StaffMaker) -> None:
    # SameSite=Strict keeps the cookie at home, and without CORS headers no foreign page can read the answer.
    vera = await as_staff("vera")
    async with vera.get("/api/session", headers=browser_headers(url, origin, site)) as answer:
        assert answer.status == 200
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_bearer_token_needs_no_origin_and_outranks_the_cookie(
    client: aiohttp.ClientSession, resort: FakeResort, as_staff: StaffMaker
) -> None:
    headers = {"Authorization": "Bearer key-of-partner", "Origin": "https://partner.example", "Sec-Fetch-Site": "cross-site"}
    quote = {"product": "single", "day": "2027-01-08", "units": {"adult": 1}}
    async with client.post("/api/quotes", json=quote, headers=headers) as answer:
        assert (await answer.json())["channel"] == "partner"
    anna = await as_staff("anna")
    async with anna.put("/api/lanes/village-1/mode", json={"mode": "closed"}, headers=headers) as answer:
        await assert_problem(answer, 403, "not_permitted")
    assert resort.gates.orders == []


# Origin, cookie sent, status of the handshake
SOCKET = [
    (OWN, True, 101),
    (None, True, 403),
    ("https://evil.example", True, 403),
    ("null", True, 403),
    (OWN, False, 401),
    (None, False, 401),
    ("https://evil.example", False, 403),
]


@pytest.mark.parametrize(("origin", "cookie", "status"), SOCKET)
async def test_socket_handshakes(
    origin: str | None, cookie: bool, status: int, url: str, as_staff: StaffMaker, client: aiohttp.ClientSession
) -> None:
    session = await as_staff("vera") if cookie else client
    headers = browser_headers(url, origin, None)
    if status == 101:
        async with session.ws_connect("/api/feed", headers=headers) as socket:
            assert not socket.closed
        return
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await session.ws_connect("/api/feed", headers=headers)
    assert refusal.value.status == status


async def test_a_program_with_a_bearer_token_opens_the_feed_without_origin(
    client: aiohttp.ClientSession, resort: FakeResort
) -> None:
    signed_in = await resort.accounts.sign_in("vera", "right horse")
    async with client.ws_connect("/api/feed", headers={"Authorization": f"Bearer {signed_in.token}"}) as socket:
        assert (await socket.receive_json(timeout=20))["type"] == "snapshot"


async def test_a_forged_request_costs_no_look_up(as_staff: StaffMaker, resort: FakeResort) -> None:
    anna = await as_staff("anna")
    before = resort.accounts.lookups
    async with anna.delete("/api/session", headers={"Origin": "https://evil.example"}) as answer:
        await assert_problem(answer, 403)
    assert resort.accounts.lookups == before


@pytest.mark.parametrize("cookie", ["", "x" * 600, "a;b", "nobody", "%00", '"quoted'])
async def test_broken_cookies_are_no_session(cookie: str, client: aiohttp.ClientSession) -> None:
    async with client.get("/api/session", headers={"Cookie": f"snowgate_session={cookie}"}) as answer:
        await assert_problem(answer, 401, "not_signed_in")


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://resort.example", "resort.example", True),
        ("http://resort.example:80", "resort.example", True),
        ("https://resort.example", "resort.example:443", True),
        ("https://resort.example", "resort.example", True),
        ("https://Resort.Example", "resort.example", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("http://resort.example:8080", "resort.example", False),
        ("http://resort.example.evil.example", "resort.example", False),
        ("http://evil.example/resort.example", "resort.example", False),
        ("http://resort.example@evil.example", "resort.example", False),
        ("http://user@resort.example", "resort.example", False),
        ("ftp://resort.example", "resort.example", False),
        ("http://", "", False),
    ],
)
def test_same_host(origin: str, host: str, same: bool) -> None:
    assert same_host(origin, host) is same
