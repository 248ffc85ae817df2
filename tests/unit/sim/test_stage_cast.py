"""The stage's orders, carried out in this process: devices over their real protocols, loads from the order to the tally."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from devices.modbus_bus import BusRegistry
from devices.profile import load_profile
from devices.tcp_line import parse_tcp
from devices.turnstile import open_turnstile
from orchestrator.settings import load_site, with_addresses
from orchestrator.stages import LoadMix, LoadOrder, LoadTally, StageAddresses
from resort.errors import Invalid, NotFound, TurnstileUnreachable, Unavailable
from resort.ports import Turnstile
from resort.site import CameraSite, LaneSite, Site
from sim.stage_cast import StageCast
from sim.stage_orders import StageAnswer, StageOrder
from sim.truth import DeviceOrdered, read_truth

DRILL = Path(__file__).parents[3] / "config" / "drill.yaml"
TODAY = date(2026, 12, 5)
WAIT_S = 60
LANE = "village-1"
HONEST = LoadMix(1, 0, 0, 0, 0, 0, 0, 0)


class Play:
    """A cast that plays, with its site as the lanes see it."""

    def __init__(self, cast: StageCast, site: Site, addresses: StageAddresses) -> None:
        self.cast, self.site, self.addresses = cast, site, addresses

    async def obey(self, do: str, **details: object) -> StageAnswer:
        return await self.cast.obey(StageOrder(do, **details))  # type: ignore[arg-type]

    def lane(self, lane_id: str = LANE) -> LaneSite:
        return next(lane for _, lane in self.site.lanes() if lane.id == lane_id)

    async def until_phase(self, *phases: str) -> LoadTally:
        """Ask for tallies, as drills do, until the load is there."""
        async with asyncio.timeout(WAIT_S):
            while True:
                tally = (await self.obey("tally")).tally
                if tally is not None and tally.phase in phases:
                    return tally
                await asyncio.sleep(0.005)


@asynccontextmanager
async def playing(site: Site) -> AsyncIterator[Play]:
    cast = StageCast(site, seed=1)
    try:
        addresses = await cast.start()
        yield Play(cast, with_addresses(site, addresses.buses, addresses.cameras), addresses)
    finally:
        await cast.stop()


@pytest_asyncio.fixture
async def play() -> AsyncIterator[Play]:
    async with playing(load_site(DRILL)) as found:
        yield found


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[str]:
    """A shop that sells whatever is asked for, at once."""
    wanted: dict[str, int] = {}

    async def quote(request: web.Request) -> web.Response:
        asked = await request.json()
        quote_id = f"q{len(wanted)}"
        wanted[quote_id] = sum(asked["units"].values())
        return web.json_response({"quote_id": quote_id, "total": {"minor": 1, "currency": "CNY"}})

    async def order(request: web.Request) -> web.Response:
        quote_id = (await request.json())["quote_id"]
        return web.json_response({"order_id": quote_id, "total": {"minor": 1, "currency": "CNY"}})

    async def pay(request: web.Request) -> web.Response:
        order_id = request.match_info["order"]
        tickets = [
            {"ticket_id": f"{order_id}-{n}", "unit": "adult", "code": f"{order_id} {n}"} for n in range(wanted[order_id])
        ]
        return web.json_response({"order_id": order_id, "total": {"minor": 1, "currency": "CNY"}, "tickets": tickets})

    app = web.Application()
    app.add_routes(
        [web.post("/api/quotes", quote), web.post("/api/orders", order), web.post("/api/orders/{order}/payments", pay)]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def a_load(folder: Path, **changes: object) -> LoadOrder:
    order = LoadOrder(str(folder / "truth.jsonl"), 200.0, 20, mix=HONEST, patience_ms=50.0, show_again_ms=30.0)
    return msgspec.structs.replace(order, **changes)


@asynccontextmanager
async def driven(play: Play, lane_id: str = LANE) -> AsyncIterator[Turnstile]:
    site = play.lane(lane_id).turnstile
    turnstile = await open_turnstile(BusRegistry(), site, load_profile(site.profile))
    try:
        yield turnstile
    finally:
        await turnstile.close()


# ---- devices


async def test_every_lane_of_the_drill_resort_has_a_scanner_and_a_turnstile(play: Play) -> None:
    assert set(play.addresses.buses) == {"village", "north", "summit"}
    assert len(set(play.addresses.cameras.values())) == 10
    for _, lane in play.site.lanes():
        _, writer = await asyncio.open_connection(*parse_tcp(lane.camera.url, "camera.url"))
        writer.close()
        await writer.wait_closed()


async def test_cameras_and_scanners_may_stand_side_by_side(demo_site: Site) -> None:
    first = demo_site.gates[0]
    scanner = msgspec.structs.replace(first.lanes[1], camera=CameraSite("simulated-scanner"))
    gate = msgspec.structs.replace(first, lanes=[first.lanes[0], scanner])
    async with playing(msgspec.structs.replace(demo_site, gates=[gate])) as play:
        schemes = {lane_id: url.partition(":")[0] for lane_id, url in play.addresses.cameras.items()}
        assert schemes == {"village-1": "http", "village-2": "tcp"}


async def test_the_steel_is_counted_from_the_beginning(play: Play) -> None:
    async with driven(play) as turnstile:
        await turnstile.pulse_entry()
        await play.obey("fault", lane=LANE, on=True)
        await turnstile.pulse_entry()
        tally = (await play.obey("tally")).tally
        assert tally is not None
        assert (tally.phase, len(tally.steel)) == ("none", 10)
        assert (tally.steel[LANE].pulses, tally.steel[LANE].unlocks, tally.steel[LANE].turns_in) == (2, 1, 0)
        assert tally.steel["village-2"].pulses == 0


@pytest.mark.parametrize("obeys", [False, True])
async def test_a_silent_turnstile_confirms_nothing_until_it_speaks_again(play: Play, obeys: bool) -> None:
    async with driven(play) as turnstile, driven(play, "village-2") as neighbour:
        await turnstile.status()
        await play.obey("silence", lane=LANE, on=True, obeys=obeys)
        with pytest.raises(TurnstileUnreachable):
            await turnstile.pulse_entry()
        await neighbour.status()
        await play.obey("silence", lane=LANE, on=False)
        tally = (await play.obey("tally")).tally
        assert tally is not None
        assert tally.steel[LANE].pulses == obeys
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    status = await turnstile.status()
                    break
                except TurnstileUnreachable:
                    await asyncio.sleep(0.01)  # the driver connects again, or lets the unit rest
        assert status.counter_in == 0


@pytest.mark.parametrize("do", ["release", "fault", "silence"])
async def test_a_lane_that_is_not_played_is_not_found(play: Play, do: str) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        await play.obey(do, lane="nowhere", on=True)


# ---- loads


async def test_a_load_runs_from_the_order_to_the_tally(play: Play, shop: str, tmp_path: Path) -> None:
    await play.obey("load", console=shop, day=TODAY, load=a_load(tmp_path, hold=True))
    await play.until_phase("stocked")
    await play.obey("silence", lane=LANE, on=True)
    await play.obey("go")
    tally = await play.until_phase("done")
    assert (tally.planned, tally.presented, tally.gave_up) == (20, 20, 20)  # nobody serves these lanes
    assert tally.unheard == tally.shown > 0
    assert tally.done
    ordered = [record for record in read_truth(tmp_path / "truth.jsonl") if isinstance(record, DeviceOrdered)]
    assert [(record.do, record.lane, record.on) for record in ordered] == [("silence", LANE, True)]


async def test_one_load_at_a_time_and_another_one_after_it(play: Play, shop: str, tmp_path: Path) -> None:
    await play.obey("load", console=shop, day=TODAY, load=a_load(tmp_path, hold=True))
    with pytest.raises(Invalid, match="a load is under way"):
        await play.obey("load", console=shop, day=TODAY, load=a_load(tmp_path))
    with pytest.raises(Invalid, match="a load is under way"):
        await play.obey("open", console=shop, day=TODAY)
    await play.until_phase("stocked")
    await play.obey("go")
    await play.until_phase("done")
    await play.obey("load", console=shop, day=TODAY, load=a_load(tmp_path, seed=2))
    assert (await play.until_phase("done")).planned == 20


async def test_pausing_ends_a_load(play: Play, shop: str, tmp_path: Path) -> None:
    await play.obey("load", console=shop, day=TODAY, load=a_load(tmp_path, scans=5_000))
    await play.until_phase("running")
    answer = await play.obey("pause")
    assert answer.paused
    assert 0 <= answer.counts["presented"] < 5_000
    await play.until_phase("none")
    assert (await play.obey("pause")).counts == {}


async def test_a_load_without_a_shop_fails_and_may_be_ordered_again(play: Play, shop: str, tmp_path: Path) -> None:
    unlucky = a_load(tmp_path, scans=1, mix=LoadMix(0, 0, 0, 0, 1, 0, 0, 0))  # a forger needs no shop
    with pytest.raises(Invalid, match="console"):
        await play.obey("load", day=TODAY, load=unlucky)
    with pytest.raises(Unavailable, match="truth"):
        await play.obey("load", console=shop, day=TODAY, load=a_load(tmp_path / "nowhere"))
    with pytest.raises(Invalid, match="rate_per_s"):
        await play.obey("load", console=shop, day=TODAY, load=a_load(tmp_path, rate_per_s=0.0))
    await play.obey("load", console=shop, day=TODAY, load=unlucky)
    await play.until_phase("done")


@pytest.mark.parametrize(("do", "says"), [("go", "no load"), ("load", "says nothing"), ("dance", "no order")])
async def test_what_makes_no_sense_is_refused(play: Play, do: str, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        await play.obey(do)


async def test_a_site_without_scanners_takes_no_load(demo_site: Site, shop: str, tmp_path: Path) -> None:
    async with playing(demo_site) as play:
        with pytest.raises(Invalid, match="simulated-scanner"):
            await play.obey("load", console=shop, day=TODAY, load=a_load(tmp_path))
