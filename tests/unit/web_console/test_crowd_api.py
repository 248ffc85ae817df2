"""The crowd brain over a real console: who sees it, who steers it, and what the public is told."""

from collections.abc import Awaitable, Callable

import aiohttp
import msgspec
import pytest

from resort.crowd import ActView, CrowdGateView, CrowdMode, CrowdView, ProposalView
from resort.errors import NotFound, Unavailable
from resort.texts import Text
from tests.unit.web_console.answers import assert_problem
from tests.unit.web_console.fakes import AT, Breakable, FakeResort

AsStaff = Callable[[str], Awaitable[aiohttp.ClientSession]]
WORDS = Text("理由", "a reason")
PROPOSAL = ProposalView("p1", "close_lane", "village", "village-2", WORDS, WORDS, AT)
GATE = CrowdGateView("village", False, 1.0, 2, 1, 8.0, 2.0, 70.0, 6.0, 90.0, 10.0)


class FakeCrowd(Breakable):
    """One proposal, and notes of who ordered what."""

    def __init__(self) -> None:
        self.mode: CrowdMode = "confirm"
        self.proposals = [PROPOSAL]
        self.orders: list[tuple[str, str]] = []

    async def view(self) -> CrowdView:
        self.check()
        return CrowdView(self.mode, AT, "", [GATE], [], self.proposals, [])

    async def set_mode(self, mode: CrowdMode, by: str) -> None:
        self.check()
        self.orders.append((mode, by))
        self.mode = mode

    async def order_sign(self, sign_id: str, gate_id: str | None, minutes: int, by: str) -> None:
        self.check()
        if sign_id != "park":
            raise NotFound("sign with a display", sign_id)
        self.orders.append((f"{gate_id} for {minutes}", by))

    async def accept(self, proposal_id: str, by: str) -> ActView:
        return self._answer(proposal_id, "accept", by)

    async def decline(self, proposal_id: str, by: str) -> ActView:
        return self._answer(proposal_id, "decline", by)

    def _answer(self, proposal_id: str, what: str, by: str) -> ActView:
        self.check()
        if proposal_id not in [proposal.proposal_id for proposal in self.proposals]:
            raise NotFound("proposal", proposal_id)
        self.proposals = []
        self.orders.append((what, by))
        return ActView(AT, "close_lane", "village", "village-2", WORDS, WORDS, by, "done" if what == "accept" else "declined")


@pytest.fixture
def crowd(resort: FakeResort) -> FakeCrowd:
    resort.crowd = FakeCrowd()
    return resort.crowd


async def test_every_staff_member_sees_it_and_control_room_steers_it(
    crowd: FakeCrowd, client: aiohttp.ClientSession, as_staff: AsStaff
) -> None:
    viewer, control = await as_staff("vera"), await as_staff("cora")
    async with viewer.get("/api/crowd") as answer:
        view = msgspec.json.decode(await answer.read(), type=CrowdView)
    assert (view.mode, view.proposals) == ("confirm", [PROPOSAL])
    async with viewer.put("/api/crowd/mode", json={"mode": "automatic"}) as answer:
        await assert_problem(answer, 403)
    async with viewer.post("/api/crowd/proposals/p1/accept") as answer:
        await assert_problem(answer, 403)
    async with client.get("/api/crowd") as answer:
        await assert_problem(answer, 401)
    async with control.put("/api/crowd/mode", json={"mode": "automatic"}) as answer:
        assert (await answer.json())["mode"] == "automatic"
    async with control.post("/api/crowd/proposals/p1/accept") as answer:
        assert (await answer.json())["by"] == "cora"
    async with control.post("/api/crowd/proposals/p1/decline") as answer:
        await assert_problem(answer, 404)
    async with control.put("/api/crowd/mode", json={"mode": "off"}) as answer:
        await assert_problem(answer, 422)
    assert crowd.orders == [("automatic", "cora"), ("accept", "cora")]


async def test_the_control_room_says_what_a_display_names(crowd: FakeCrowd, as_staff: AsStaff) -> None:
    viewer, control = await as_staff("vera"), await as_staff("cora")
    async with viewer.put("/api/crowd/signs/park", json={"gate_id": "north"}) as answer:
        await assert_problem(answer, 403)
    async with control.put("/api/crowd/signs/park", json={"gate_id": "north", "minutes": 5}) as answer:
        assert answer.status == 200
    async with control.put("/api/crowd/signs/park", json={"gate_id": None}) as answer:
        assert answer.status == 200
    for wrong in ({"gate_id": "north", "minutes": 0}, {}, {"gate_id": 7}):
        async with control.put("/api/crowd/signs/park", json=wrong) as answer:
            await assert_problem(answer, 422)
    async with control.put("/api/crowd/signs/lodge", json={"gate_id": "north"}) as answer:
        await assert_problem(answer, 404)
    assert crowd.orders == [("north for 5", "cora"), ("None for 30", "cora")]


async def test_anybody_reads_the_public_status_also_while_the_brain_is_away(
    crowd: FakeCrowd, client: aiohttp.ClientSession, as_staff: AsStaff, resort: FakeResort
) -> None:
    async with client.get("/api/status") as answer:
        told = await answer.json()
    assert told["lifts"]["status"]["village-express"] == "open"
    assert told["gates"][0]["queue"]["STANDBY"] == {"waitTime": 2}
    crowd.fails_with = Unavailable("The crowd brain", "it is being restarted")
    resort.clock.advance_ms(1_500)
    async with client.get("/api/status") as answer:
        told = await answer.json()
    assert told["gates"][0]["queue"]["STANDBY"] == {"waitTime": None}
    staff = await as_staff("cora")
    async with staff.get("/api/crowd") as answer:
        await assert_problem(answer, 503)


async def test_a_site_without_it_says_so(client: aiohttp.ClientSession, as_staff: AsStaff) -> None:
    staff = await as_staff("cora")
    async with staff.get("/api/crowd") as answer:
        await assert_problem(answer, 503)
    async with client.get("/api/status") as answer:
        assert answer.status == 200
