"""Lanes that are closed for lack of guests, in their gate: never the last one, never with a guest, never for long."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from ray._private import auto_init_hook

from actors.gate import GateActor, GateHosting
from actors.lane_report import LaneReport
from actors.spared_lanes import LEASE_MS, SparedLanes, lane_kind
from orchestrator.settings import load_site
from resort.clock import ManualClock
from resort.errors import WrongState
from resort.ids import GateId
from resort.messages import StaffActed
from resort.site import UidLine
from storage.database import Database
from storage.migrate import upgrade
from storage.tickets_sql import pending_orders
from tests.conftest import DEMO

AT = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
LANES = ("village-1", "village-2", "village-3", "village-fast")


class Gate:
    """The village gate, its clock, and reports of its lanes as they come each second."""

    def __init__(self, hosting: GateHosting, clock: ManualClock) -> None:
        self.actor, self.clock = GateActor(hosting, clock), clock
        self.lanes = {lane_id: LaneReport(lane_id, "ready", "", "open", 0, 0) for lane_id in LANES}

    def change(self, lane_id: str, **changed: object) -> None:
        self.lanes[lane_id] = msgspec.structs.replace(self.lanes[lane_id], **changed)

    async def report(self) -> dict[str, str]:
        """What lanes are told; each obeys, as lanes do."""
        modes = (await self.actor.take_reports(list(self.lanes.values()))).modes
        for lane_id, mode in modes.items():
            if lane_id in self.lanes and self.lanes[lane_id].state in ("ready", "closed"):
                self.change(lane_id, state="closed" if mode == "closed" else "ready")
        return dict(modes)

    async def closed(self) -> set[str]:
        return {lane_id for lane_id, mode in (await self.report()).items() if mode == "closed"}


@pytest.fixture
async def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(auto_init_hook, "enable_auto_connect", False)  # else `ray.get_actor` would start a cluster
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    return url


def hosting(url: str) -> GateHosting:
    folder = Path(url.removeprefix("sqlite:///")).parent
    hosts = {lane_id: LANES[0] for lane_id in LANES}
    return GateHosting(load_site(DEMO), GateId("village"), hosts, f"unix://{folder}/nobody.sock", url, "test", str(folder))


@pytest.fixture
async def gate(url: str) -> AsyncIterator[Gate]:
    gate = Gate(hosting(url), ManualClock(AT))
    await gate.actor.start()
    await gate.report()
    yield gate
    await gate.actor.close()


async def told(url: str, at_least: int) -> list[tuple[str, str, str]]:
    """What the journal has to be told: who, which lane, what came of it."""
    database = Database(url)
    try:
        async with asyncio.timeout(30):
            while True:
                async with database.read() as connection:
                    orders = [order.event for order in await pending_orders(connection, 20)]
                acted = [order for order in orders if isinstance(order, StaffActed)]
                if len(acted) >= at_least:
                    return [(order.by, str(order.lane_id), order.outcome) for order in acted]
                await asyncio.sleep(0.02)
    finally:
        await database.dispose()


async def test_a_spared_lane_is_closed_while_it_is_renewed_and_both_edges_are_journaled(gate: Gate, url: str) -> None:
    await gate.actor.spare_lane("village-2", "few guests")
    for _ in range(5):
        assert await gate.closed() == {"village-2"}
        gate.clock.advance_ms(LEASE_MS / 2)
        await gate.actor.renew_spared(frozenset({"village-2"}))
    await gate.actor.open_spared("village-2", "many guests")
    assert await gate.closed() == set()
    assert await told(url, 2) == [("orchestrator", "village-2", "closed"), ("orchestrator", "village-2", "open")]


async def test_a_reversible_lane_leads_out_on_the_same_lease_and_others_do_not(url: str) -> None:
    made = hosting(url)
    lanes = [msgspec.structs.replace(lane, reversible=lane.id == "village-2") for lane in made.site.gates[0].lanes]
    gates = [msgspec.structs.replace(made.site.gates[0], lanes=lanes), *made.site.gates[1:]]
    gate = Gate(msgspec.structs.replace(made, site=msgspec.structs.replace(made.site, gates=gates)), ManualClock(AT))
    await gate.actor.start()
    await gate.report()
    with pytest.raises(WrongState, match="not reversible"):
        await gate.actor.spare_lane("village-3", "many leave", "exit")
    with pytest.raises(WrongState, match="not reversible"):
        await gate.actor.order_mode("village-3", "exit", "ann")
    await gate.actor.spare_lane("village-2", "many leave", "exit")
    assert (await gate.report())["village-2"] == "exit"
    (standing,) = [one for one in await gate.actor.standings() if one.lane_id == "village-2"]
    assert (standing.spared, standing.wanted, standing.orders) == (True, "open", "exit")
    gate.clock.advance_ms(LEASE_MS + 1)
    assert (await gate.report())["village-2"] == "open"
    await gate.actor.order_mode("village-2", "exit", "ann")  # staff: no lease, and kept over a restart
    gate.clock.advance_ms(10 * LEASE_MS)
    assert (await gate.report())["village-2"] == "exit"
    again = Gate(msgspec.structs.replace(made, site=msgspec.structs.replace(made.site, gates=gates)), ManualClock(AT))
    await again.actor.start()
    assert (await again.report())["village-2"] == "exit"
    await again.actor.close()
    await gate.actor.close()


async def test_when_nobody_renews_it_the_lane_opens_by_itself(gate: Gate, url: str) -> None:
    await gate.actor.spare_lane("village-2", "few guests")
    assert await gate.closed() == {"village-2"}
    gate.clock.advance_ms(LEASE_MS + 1)
    assert await gate.closed() == set()
    assert await told(url, 2) == [("orchestrator", "village-2", "closed"), ("orchestrator", "village-2", "open")]


async def test_a_gate_that_restarts_spares_none_and_what_staff_ordered_holds(gate: Gate, url: str) -> None:
    await gate.actor.order_mode("village-3", "closed", "ann")
    await gate.report()
    await gate.actor.spare_lane("village-2", "few guests")
    again = Gate(hosting(url), ManualClock(AT))
    await again.actor.start()
    assert await again.closed() == {"village-3"}
    await again.actor.close()


async def test_the_last_open_lane_of_its_class_is_never_closed(gate: Gate) -> None:
    await gate.actor.order_mode("village-1", "closed", "ann")
    await gate.report()
    await gate.actor.spare_lane("village-2", "few guests")
    for lane_id in ("village-3", "village-fast", "village-1"):
        with pytest.raises(WrongState):
            await gate.actor.spare_lane(lane_id, "few guests")
    assert await gate.closed() == {"village-1", "village-2"}


def test_lanes_that_read_other_media_do_not_stand_in_for_each_other() -> None:
    (lane, *_) = load_site(DEMO).gates[0].lanes
    card = msgspec.structs.replace(lane, camera=msgspec.structs.replace(lane.camera, uid=UidLine()))
    face = msgspec.structs.replace(lane, faces="identify")
    kinds = {"a": lane_kind(lane), "b": lane_kind(card), "c": lane_kind(face)}
    assert len(set(kinds.values())) == 3
    states = dict.fromkeys(kinds, "ready")
    assert all(SparedLanes(kinds).why_not(lane_id, states, busy=False) for lane_id in kinds)


async def test_two_orders_at_once_cannot_close_both_of_two(gate: Gate) -> None:
    await gate.actor.order_mode("village-1", "closed", "ann")
    await gate.report()
    both = [gate.actor.spare_lane(lane_id, "few guests") for lane_id in ("village-2", "village-3")]
    refused = await asyncio.gather(*both, return_exceptions=True)
    assert [type(answer) for answer in refused].count(WrongState) == 1
    assert len(await gate.closed()) == 2


@pytest.mark.parametrize("seen", [{"busy": True}, {"waiting": 1}, {"state": "awaiting_passage"}, {"state": "faulted"}])
async def test_a_lane_with_a_guest_or_a_fault_is_left_as_it_is(gate: Gate, seen: dict[str, object]) -> None:
    gate.change("village-2", **seen)
    await gate.report()
    with pytest.raises(WrongState):
        await gate.actor.spare_lane("village-2", "few guests")
    assert await gate.closed() == set()


@pytest.mark.parametrize("lost", ["faulted", "released", "silent"])
async def test_when_the_other_lanes_are_lost_the_spared_one_opens_at_once(gate: Gate, lost: str) -> None:
    await gate.actor.order_mode("village-1", "closed", "ann")
    await gate.report()
    await gate.actor.spare_lane("village-2", "few guests")
    assert "village-2" in await gate.closed()
    if lost == "silent":
        del gate.lanes["village-3"]
        gate.clock.advance_ms(4_000)
    else:
        gate.change("village-3", state=lost)
    await gate.report()
    assert await gate.closed() == {"village-1"}


async def test_whatever_staff_order_of_it_ends_the_sparing(gate: Gate) -> None:
    await gate.actor.spare_lane("village-2", "few guests")
    await gate.actor.order_mode("village-2", "open", "ann")
    assert await gate.closed() == set()
    gate.clock.advance_ms(LEASE_MS + 1)
    await gate.actor.order_mode("village-2", "closed", "ann")
    assert await gate.closed() == {"village-2"}
    await gate.actor.open_spared("village-2", "many guests")  # it was not spared: staff closed it
    assert await gate.closed() == {"village-2"}
