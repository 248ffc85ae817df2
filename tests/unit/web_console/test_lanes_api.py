"""Staff's orders at lanes over HTTP: who may order what, in whose name, and that a repeated key is the same order."""

from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from resort.errors import Busy, DatabaseUnavailable, Unavailable
from tests.unit.web_console.answers import assert_problem
from tests.unit.web_console.fakes import STAFF, TICKET, FakeResort

SignIn = Callable[[str], Awaitable[aiohttp.ClientSession]]
LANE = "/api/lanes/village-1"
KEY = {"Idempotency-Key": "k1"}
ORDERS: dict[str, tuple[dict[str, object], set[str]]] = {
    "admit": ({"note": "lost ticket"}, {"control_room", "admin"}),
    "annul": ({"note": "turned back"}, {"control_room", "admin"}),
    "test-scan": ({"code": "SITE CODE"}, {"cashier", "control_room", "admin"}),
    "policy": ({"admits": ["standard", "vip"]}, {"control_room", "admin"}),
}


@pytest.mark.parametrize("order", sorted(ORDERS))
@pytest.mark.parametrize("name", sorted(STAFF))
async def test_every_role_may_order_what_it_may(resort: FakeResort, as_staff: SignIn, name: str, order: str) -> None:
    client = await as_staff(name)
    body, roles = ORDERS[order]
    async with client.post(f"{LANE}/{order}", json=body, headers=KEY) as answer:
        if STAFF[name] not in roles:
            await assert_problem(answer, 403, "not_permitted")
            assert resort.gates.carried_out == []
            return
        assert answer.status == 200, await answer.text()
    ((lane_id, what, by, *_),) = resort.gates.carried_out
    assert (lane_id, what, by) == ("village-1", order, name)


@pytest.mark.parametrize("order", sorted(ORDERS))
async def test_channels_and_strangers_order_nothing(resort: FakeResort, client: aiohttp.ClientSession, order: str) -> None:
    async with client.post(f"{LANE}/{order}", json=ORDERS[order][0], headers=KEY) as answer:
        await assert_problem(answer, 401)
    assert resort.gates.carried_out == []


@pytest.mark.parametrize("order", ["admit", "annul"])
async def test_the_same_key_is_the_same_order_for_the_same_user_only(resort: FakeResort, as_staff: SignIn, order: str) -> None:
    anna, cora = await as_staff("anna"), await as_staff("cora")
    for client, key in ((anna, "k1"), (anna, "k1"), (cora, "k1"), (anna, "k2")):
        async with client.post(f"{LANE}/{order}", json={"note": "x"}, headers={"Idempotency-Key": key}) as answer:
            assert await answer.json() == {
                "outcome": "ok",
                "text": {"zh": "已完成", "en": "Done"},
                "ticket_id": None,
                "grant_id": None,
                "attention": [],
                "warning": "",
            }
    request_ids = [carried_out[4] for carried_out in resort.gates.carried_out]
    assert len(set(request_ids)) == 3
    assert request_ids[0] == request_ids[1]
    async with anna.post(f"{LANE}/{order}", json={"note": "x"}) as answer:
        await assert_problem(answer, 400, "idempotency_key_required")


@pytest.mark.parametrize("note", ["", " ", "a\nb", "x" * 201])
async def test_a_reason_is_needed(resort: FakeResort, as_staff: SignIn, note: str) -> None:
    client = await as_staff("anna")
    async with client.post(f"{LANE}/admit", json={"note": note}, headers=KEY) as answer:
        await assert_problem(answer, 422, "invalid")
    assert resort.gates.carried_out == []


async def test_a_test_scan_tells_the_lanes_decision_and_each_rule(resort: FakeResort, as_staff: SignIn) -> None:
    client = await as_staff("carl")
    async with client.post(f"{LANE}/test-scan", json={"code": "SITE CODE"}) as answer:
        view = await answer.json()
    assert (view["outcome"]["outcome"], view["outcome"]["ticket_id"]) == ("already_used", TICKET)
    assert [(rule["rule"], rule["reason"]) for rule in view["rules"]] == [("entries", "already_used")]
    async with client.post(f"{LANE}/test-scan", json={"code": "rubbish"}) as answer:
        assert (await answer.json())["rules"] == []
    resort.office.fails_with = DatabaseUnavailable("The database", "away")
    async with client.post(f"{LANE}/test-scan", json={"code": "SITE CODE"}) as answer:
        assert (await answer.json())["rules"] == []


async def test_a_policy_names_lane_classes_only(resort: FakeResort, as_staff: SignIn) -> None:
    client = await as_staff("cora")
    async with client.post(f"{LANE}/policy", json={"admits": ["standard", "vip", "standard"]}) as answer:
        assert await answer.json() == {"lane_id": "village-1", "admits": ["standard", "vip"]}
    async with client.post(f"{LANE}/policy", json={"admits": [], "note": "queue is gone"}) as answer:
        assert await answer.json() == {"lane_id": "village-1", "admits": []}
    assert [carried_out[3:] for carried_out in resort.gates.carried_out] == [("", "standard,vip"), ("queue is gone", "")]
    async with client.post(f"{LANE}/policy", json={"admits": ["everybody"]}) as answer:
        await assert_problem(answer, 422, "invalid")


async def test_an_unknown_lane_a_busy_one_and_one_that_is_away(resort: FakeResort, as_staff: SignIn) -> None:
    client = await as_staff("anna")
    async with client.post("/api/lanes/moon-1/admit", json={"note": "x"}, headers=KEY) as answer:
        await assert_problem(answer, 404, "not_found")
    for failure, status in ((Busy("The lane", 1.0), 429), (Unavailable("The lane", "away"), 503)):
        resort.gates.fails_with = failure
        async with client.post(f"{LANE}/admit", json={"note": "x"}, headers=KEY) as answer:
            await assert_problem(answer, status)
