"""Faces over HTTP: who may enrol and delete, bounded pictures, checked consent, and nothing of a face in any answer."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import aiohttp
import pytest

from resort.errors import FacesUnavailable, NotFound
from resort.face_consent import WORDING
from resort.ids import TicketId
from sales.faces import FaceAsk, FaceStanding
from tests.unit.web_console.answers import assert_problem
from tests.unit.web_console.fakes import STAFF, TICKET, Breakable, FakeResort
from web_console.uploads import PICTURE_LIMIT

SignIn = Callable[[str], Awaitable[aiohttp.ClientSession]]
FACE = f"/api/tickets/{TICKET}/face"
CONSENT = {"wording": WORDING.version, "given_by": "holder", "age": "14_or_over"}
JPEG = {"Content-Type": "image/jpeg"}
ENROLLERS = {"admin", "cashier", "control_room"}


class FakeFaces(Breakable):
    """Remembers what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[FaceAsk] = []
        self.forgotten: list[tuple[str, str, str | None]] = []

    def wording(self) -> object:
        return WORDING

    async def enrol(self, ask: FaceAsk) -> FaceStanding:
        self.check()
        self.asked.append(ask)
        return FaceStanding(ticket_id=TicketId(ask.ticket_id), enrolled=True)

    async def standing(self, ticket_id: str, channel: str | None) -> FaceStanding:
        self.check()
        if ticket_id != TICKET:
            raise NotFound("ticket", ticket_id)
        return FaceStanding(ticket_id=TicketId(ticket_id), enrolled=False)

    async def forget(self, ticket_id: str, reason: str, by: str, channel: str | None) -> FaceStanding:
        self.check()
        self.forgotten.append((reason, by, channel))
        return FaceStanding(ticket_id=TicketId(ticket_id), enrolled=False)


@pytest.fixture
def faces() -> FakeFaces:
    return FakeFaces()


@pytest.fixture
def resort(faces: FakeFaces) -> FakeResort:
    return FakeResort(face_office=faces)


async def test_the_words_can_be_read_by_anybody(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/face-consent") as answer:
        body = await answer.json()
    assert answer.status == 200
    assert body["version"] == WORDING.version
    assert "自愿" in body["text"]["zh"]
    assert "voluntary" in body["text"]["en"]


@pytest.mark.parametrize("name", sorted(STAFF))
async def test_who_meets_guests_enrols_and_deletes(faces: FakeFaces, as_staff: SignIn, name: str) -> None:
    client = await as_staff(name)
    async with client.post(FACE, params=CONSENT, data=b"picture", headers=JPEG) as answer:
        if STAFF[name] in ENROLLERS:
            assert answer.status == 200
            (ask,) = faces.asked
            assert (ask.by, ask.channel, ask.origin, ask.picture) == (name, None, "upload", b"picture")
        else:
            await assert_problem(answer, 403, "not_permitted")
    async with client.delete(FACE, params={"reason": "requested"}) as answer:
        assert answer.status == (200 if STAFF[name] in ENROLLERS else 403)
    assert faces.forgotten == ([("requested", name, None)] if STAFF[name] in ENROLLERS else [])


async def test_a_shop_enrols_under_the_name_of_its_channel(
    faces: FakeFaces, client: aiohttp.ClientSession, as_channel: Callable[[str], aiohttp.ClientSession]
) -> None:
    async with as_channel("key-of-partner").post(FACE, params=CONSENT, data=b"p", headers=JPEG) as answer:
        assert answer.status == 200
    assert [(ask.by, ask.channel) for ask in faces.asked] == [("channel partner", "partner")]
    async with client.post(FACE, params=CONSENT, data=b"p", headers=JPEG) as answer:
        await assert_problem(answer, 401)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "query"),
        ({**CONSENT, "given_by": "a friend"}, "given_by"),
        ({**CONSENT, "age": "12"}, "age"),
        ({**CONSENT, "wording": "x" * 65}, "wording"),
        ({**CONSENT, "colour": "red"}, "query"),
        ([*CONSENT.items(), ("age", "under_14")], "age"),
    ],
)
async def test_consent_that_is_not_whole_is_refused(faces: FakeFaces, as_staff: SignIn, params: object, field: str) -> None:
    client = await as_staff("anna")
    async with client.post(FACE, params=params, data=b"p", headers=JPEG) as answer:  # type: ignore[arg-type]
        problem = await assert_problem(answer, 422, "invalid")
    assert problem["field"] == field
    assert faces.asked == []


async def test_a_body_that_is_no_picture_or_too_large_is_refused(faces: FakeFaces, as_staff: SignIn) -> None:
    client = await as_staff("anna")
    async with client.post(FACE, params=CONSENT, json={"picture": "x"}) as answer:
        await assert_problem(answer, 415, "wrong_content_type")
    async with client.post(FACE, params=CONSENT, data=b"", headers=JPEG) as answer:
        await assert_problem(answer, 422, "invalid")
    async with client.post(FACE, params=CONSENT, data=io.BytesIO(b"x" * PICTURE_LIMIT), headers=JPEG) as answer:
        assert answer.status == 200
    assert len(faces.asked.pop().picture) == PICTURE_LIMIT


async def test_a_picture_that_is_too_large_is_refused_before_it_is_sent(faces: FakeFaces, url: str) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = (
        f"POST {FACE}?wording=x&given_by=holder&age=14_or_over HTTP/1.1",
        f"Host: {address.netloc}",
        "Authorization: Bearer key-of-partner",
        "Content-Type: image/png",
        f"Content-Length: {PICTURE_LIMIT + 1}",
        "Connection: close",
        "\r\n",
    )
    writer.write("\r\n".join(head).encode())
    answer = await reader.readuntil(b"\r\n")
    writer.close()
    await writer.wait_closed()
    assert b" 413 " in answer
    assert faces.asked == []


async def test_a_pool_that_is_away_is_said_without_its_address(faces: FakeFaces, as_staff: SignIn) -> None:
    faces.fails_with = FacesUnavailable("The inference actors", "unix:/secret/path")
    client = await as_staff("anna")
    async with client.post(FACE, params=CONSENT, data=b"p", headers=JPEG) as answer:
        problem = await assert_problem(answer, 503, "faces_unavailable")
    assert "secret" not in str(problem)


async def test_a_ticket_nobody_sold_is_not_found(as_staff: SignIn) -> None:
    client = await as_staff("vera")
    async with client.get("/api/tickets/nobody/face") as answer:
        await assert_problem(answer, 404, "not_found")
    async with client.get(FACE) as answer:
        assert (await answer.json())["enrolled"] is False
