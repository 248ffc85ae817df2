"""Looks of staff over HTTP: who may see the two pictures, that they are journaled and never cached, and what staff say."""

import base64
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
import pytest

from orchestrator.parts import FaceParts
from resort.access.lane_messages import StaffOutcome
from resort.errors import DatabaseUnavailable, FacesUnavailable
from resort.face_rules import FaceDecision
from resort.faces import FaceMeasured
from resort.ids import GateId, TicketId
from resort.lane_looks import LiveLook
from resort.texts import Text
from tests.unit.web_console.answers import assert_problem
from tests.unit.web_console.fakes import STAFF, FakeResort

SignIn = Callable[[str], Awaitable[aiohttp.ClientSession]]
LOOK = "/api/lanes/village-1/looks/scan_1"
KEY = {"Idempotency-Key": "k1"}
TICKET = TicketId("00000000000000aa")
OK = StaffOutcome("ok", Text("已完成", "Done"), TICKET)
OVER = StaffOutcome("look_over", Text("确认时间已过", "It is too late"))


class Looks:
    """Lanes with one look open, the pictures of it, and what staff did."""

    def __init__(self) -> None:
        self.done: list[tuple[str, ...]] = []
        self.open = True
        self.store_away = False
        self.cut: bytes | FacesUnavailable | None = None

    async def cut_out(self, frame: bytes) -> bytes | None:
        assert frame == b"live jpeg"
        if isinstance(self.cut, FacesUnavailable):
            raise self.cut
        return self.cut

    async def view_face(self, lane_id: str, request_id: str, by: str, scan_id: str) -> LiveLook:
        self.done.append(("view", lane_id, by, scan_id, request_id))
        return LiveLook(OK, b"live jpeg") if self.open else LiveLook(OVER)

    async def confirm_face(self, lane_id: str, request_id: str, by: str, scan_id: str) -> StaffOutcome:
        self.done.append(("confirm", lane_id, by, scan_id, request_id))
        return OK

    async def reject_face(self, lane_id: str, request_id: str, by: str, scan_id: str) -> StaffOutcome:
        self.done.append(("reject", lane_id, by, scan_id, request_id))
        return OK

    async def picture(self, ticket_id: TicketId) -> bytes | None:
        if self.store_away:
            raise DatabaseUnavailable("The store of faces", "it is away")
        return b"enrolled jpeg" if ticket_id == TICKET else None

    async def measure(self, picture: bytes) -> FaceMeasured:
        raise FacesUnavailable("The pool", "nobody reads here")

    async def compare(self, ticket_id: TicketId, frames: Sequence[bytes]) -> FaceDecision | None:
        raise FacesUnavailable("The pool", "nobody reads here")

    async def read_ahead(self, frame: bytes) -> None:
        """Nobody reads here."""

    async def identify(self, gate_id: GateId, frames: Sequence[bytes]) -> FaceDecision:
        raise FacesUnavailable("The pool", "nobody reads here")

    async def tell(self) -> None:
        """Nobody follows."""

    async def figures(self) -> list[None]:
        return []


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def resort(looks: Looks) -> FakeResort:
    faces = FaceParts(looks, looks, looks.figures, looks=looks, pictures=looks, cutter=looks)
    return FakeResort(faces=faces)


async def test_the_control_room_sees_both_pictures_and_the_lane_is_told_who(looks: Looks, as_staff: SignIn) -> None:
    client = await as_staff("cora")
    async with client.get(LOOK) as answer:
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        seen = await answer.json()
    assert {name: base64.b64decode(seen[name]) for name in ("live", "enrolled")} == {
        "live": b"live jpeg",
        "enrolled": b"enrolled jpeg",
    }
    ((what, lane_id, by, scan_id, _),) = looks.done
    assert (what, lane_id, by, scan_id) == ("view", "village-1", "cora", "scan_1")


async def test_a_store_that_is_away_leaves_the_live_picture(looks: Looks, as_staff: SignIn) -> None:
    looks.store_away = True
    async with (await as_staff("cora")).get(LOOK) as answer:
        assert (await answer.json())["enrolled"] is None


async def test_a_look_that_is_over_is_not_found(looks: Looks, as_staff: SignIn) -> None:
    looks.open = False
    async with (await as_staff("cora")).get(LOOK) as answer:
        await assert_problem(answer, 404, "not_found")


@pytest.mark.parametrize("name", sorted(STAFF))
async def test_only_who_may_let_people_in_may_see_and_say(looks: Looks, as_staff: SignIn, name: str) -> None:
    client = await as_staff(name)
    allowed = STAFF[name] in {"control_room", "admin"}
    async with client.get(LOOK) as answer:
        assert answer.status == (200 if allowed else 403)
    for order in ("confirm", "reject"):
        async with client.post(f"{LOOK}/{order}", headers=KEY) as answer:
            assert answer.status == (200 if allowed else 403)
    assert [what for what, *_ in looks.done] == (["view", "confirm", "reject"] if allowed else [])


async def test_strangers_see_nothing(looks: Looks, client: aiohttp.ClientSession) -> None:
    async with client.get(LOOK) as answer:
        await assert_problem(answer, 401)
    assert looks.done == []


async def test_the_same_key_is_the_same_order_and_each_order_has_its_own(looks: Looks, as_staff: SignIn) -> None:
    client = await as_staff("cora")
    for order, key in (("confirm", "k1"), ("confirm", "k1"), ("reject", "k1"), ("confirm", "k2")):
        async with client.post(f"{LOOK}/{order}", headers={"Idempotency-Key": key}) as answer:
            assert answer.status == 200
    ids = [request_id for *_, request_id in looks.done]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_no_picture_is_in_a_text() -> None:
    assert "jpeg" not in repr(LiveLook(OK, b"live jpeg"))


@pytest.mark.parametrize("cut", [b"live face", None, FacesUnavailable("The pool", "it is away")])
async def test_staff_see_the_face_alone_where_it_can_be_cut_out(
    looks: Looks, as_staff: SignIn, cut: bytes | FacesUnavailable | None
) -> None:
    """None: nobody is in the frame, or several, and staff see all of it."""
    looks.cut = cut
    async with (await as_staff("cora")).get(LOOK) as answer:
        assert base64.b64decode((await answer.json())["live"]) == (cut if isinstance(cut, bytes) else b"live jpeg")
