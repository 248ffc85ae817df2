"""The stage as a process: its devices over Modbus TCP and MJPEG, its guests over the site's own HTTP API, its end by its input.

Console, ticket office, SQL, lanes, drivers and decoders are the real ones; only Ray and Redis are left out.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import msgspec
import psutil
import pytest
import pytest_asyncio
import yaml

from actors.lane_runtime import LaneRuntime
from devices.camera_source import CameraCodeSource
from devices.code_reader import CodeReader
from devices.mjpeg import MjpegCamera
from devices.modbus_bus import BusRegistry
from devices.profile import TurnstileProfile, load_profile
from devices.turnstile import open_turnstile
from orchestrator.parts import OpenResort
from orchestrator.settings import load_site, with_addresses
from orchestrator.stages import Stage, StageAddresses
from resort.access.entitlement import TicketRecord, Usage
from resort.access.lane_settings import lane_settings
from resort.access.reasons import Reason
from resort.access.service_day import site_day
from resort.clock import SystemClock
from resort.errors import Invalid, Unavailable
from resort.feed import Snapshot
from resort.ids import RandomIds, TicketId
from resort.messages import GrantIssued, GrantOutcome, JournalEvent, PassageConfirmed, PassageUncontrolled, ScanRefused
from resort.ports import Conflict
from resort.site import Site, TurnstileSite
from sim.memory_feed import MemoryFeed
from sim.memory_ledger import MemoryLedger
from sim.stage_process import StageProcess
from sim.ticket_shop import SHOP_KEYS, open_shop
from storage.accounts import Accounts
from web_console.window import ConsoleWindow

pytestmark = pytest.mark.realtime

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "config" / "demo.yaml"
WAIT_S = 60.0
DRIVER_PATIENCE_MS = 10_000  # everything shares one busy machine here; what a lost turnstile does is tested elsewhere
SITE_FILE = """
name: {zh: "小雪场", en: "Small resort"}
timezone: Asia/Shanghai
gates:
  - id: g
    name: {zh: "门", en: "Gate"}
    lanes:
      - {id: a, name: {zh: "一", en: "A"}, lane_class: standard, turnstile: {bus: simulated, unit: 1}, camera: {url: simulated}}
      - {id: b, name: {zh: "二", en: "B"}, lane_class: fast, turnstile: {bus: simulated, unit: UNIT}, camera: {url: simulated}}
products: []
tariff: {version: "t"}
"""


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[StageProcess]:
    process = StageProcess()
    yield process
    await process.stop()


def small_site(folder: Path, unit: int = 2) -> Path:
    file = folder / "small.yaml"
    file.write_text(SITE_FILE.replace("UNIT", str(unit)), encoding="utf-8")
    return file


def patient_profile(name: str) -> TurnstileProfile:
    profile = load_profile(name)
    return msgspec.structs.replace(profile, timings=msgspec.structs.replace(profile.timings, timeout_ms=DRIVER_PATIENCE_MS))


# ---- the whole way: shop, code, camera, decoder, lane, arm


class KnowingLedger(MemoryLedger):
    """The lanes' ledger, told of tickets by the ticket office. Tells when something was stored."""

    def __init__(self) -> None:
        super().__init__()
        self._stored = asyncio.Event()

    async def append(self, events: Sequence[JournalEvent]) -> None:
        await super().append(events)
        self._stored.set()

    async def settle(self, outcome: GrantOutcome, expected: TicketRecord, usage: Usage) -> Conflict | None:
        try:
            return await super().settle(outcome, expected, usage)
        finally:
            self._stored.set()

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not holds():
                self._stored.clear()
                await self._stored.wait()

    async def publish(self, tickets: Sequence[tuple[TicketId, TicketRecord]]) -> None:
        for ticket_id, record in tickets:
            self.tickets.setdefault(ticket_id, record)


class NoAlarms:
    async def acknowledge(self, alarm_key: str, by: str, note: str) -> None:
        raise Unavailable("The watch", "this console has none")


class NoGates:
    async def set_mode(self, lane_id: str, mode: str, ordered_by: str) -> None:
        raise Unavailable("The gates", "this console has none")


@asynccontextmanager
async def open_console(folder: Path, site: Site, ledger: KnowingLedger) -> AsyncIterator[tuple[str, str]]:
    """The site's console and a kiosk's key for it."""
    static = folder / "static"
    static.mkdir()
    (static / "index.html").write_text("<!doctype html>", encoding="utf-8")
    clock, ids = SystemClock(), RandomIds()
    any_port = msgspec.structs.replace(site, runtime=msgspec.structs.replace(site.runtime, console_port=0))
    async with open_shop(f"sqlite:///{folder}/shop.db", any_port, clock, ids, ledger) as shop:  # type: ignore[arg-type]
        accounts = Accounts(shop.db, clock, ids)
        feed = MemoryFeed(Snapshot(1, clock.now().at, site.name, [], [], []))
        await shop.office.start()
        window = ConsoleWindow(static)
        address = await window.start(
            OpenResort(any_port, clock, ids, shop.office, accounts, feed, NoGates(), shop.desk, NoAlarms())
        )
        try:
            yield address, await accounts.create_channel_key("rehearsal guests", "kiosk")
        finally:
            await window.stop()


@asynccontextmanager
async def open_lanes(site: Site, ledger: MemoryLedger) -> AsyncIterator[None]:
    """Every lane of the site at work, in this process."""
    buses, clock = BusRegistry(), SystemClock()
    failures: list[BaseException] = []
    lanes: list[LaneRuntime] = []
    for gate, lane in site.lanes():
        turnstile = await open_turnstile(buses, lane.turnstile, patient_profile(lane.turnstile.profile))
        limits = site.lane_limits
        camera = MjpegCamera(lane.camera.url, clock)
        source = CameraCodeSource(camera, CodeReader(), clock, limits.unreadable_after_ms, limits.repeat_code_ms)
        settings = msgspec.structs.replace(lane_settings(site, gate, lane), limits=limits)
        lanes.append(LaneRuntime(settings, "open", SHOP_KEYS, ledger, turnstile, source, clock, RandomIds(), failures.append))
    for runtime in lanes:
        await runtime.start()
    try:
        yield
    finally:
        for runtime in lanes:
            await runtime.stop()
    assert failures == []


async def test_guests_buy_show_and_pass_at_every_lane(stage: StageProcess, tmp_path: Path) -> None:
    """At the demo resort's first gate, which has lanes of both classes."""
    ledger = KnowingLedger()
    tree = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    site_file = tmp_path / "village.yaml"
    admission = tree["admission"] | {"travel": []}  # it names gates that are left out here
    site_file.write_text(yaml.safe_dump(tree | {"gates": tree["gates"][:1], "admission": admission}), encoding="utf-8")
    village = load_site(site_file)

    def of(kind: type) -> list[object]:
        return [event for event in ledger.journal if isinstance(event, kind)]

    def reasons() -> Counter[Reason]:
        return Counter(event.reason for event in ledger.journal if isinstance(event, ScanRefused))

    addresses = await stage.start(site_file, 7)
    site = with_addresses(village, addresses.buses, addresses.cameras)
    today = site_day(SystemClock().now().at, site)
    async with open_console(tmp_path, village, ledger) as (address, key), open_lanes(site, ledger):
        await stage.open_doors(address, key, today)
        await ledger.until(lambda: len(of(PassageConfirmed)) >= 30 and len(reasons()) >= 2)
        counts = await stage.pause()
        await ledger.until(lambda: len(of(PassageConfirmed)) >= counts["went_through"])
        assert await stage.pause() == {}
    assert len(of(PassageConfirmed)) == counts["went_through"]
    assert of(PassageUncontrolled) == []
    assert counts["sneaked_in"] == 0
    assert counts["turned_away"] == 0
    assert sum(reasons().values()) >= counts["refused_seen"] > 0
    assert set(reasons()) <= {
        *(Reason.ALREADY_USED, Reason.WRONG_DAY, Reason.FORGED_CODE),
        *(Reason.MALFORMED_CODE, Reason.UNREADABLE, Reason.WRONG_LANE),
    }
    lanes = {event.lane_id for event in ledger.journal if isinstance(event, PassageConfirmed)}
    assert lanes == {lane.id for _, lane in village.lanes()}
    passed = [event.ticket_id for event in ledger.journal if isinstance(event, PassageConfirmed)]
    assert len(set(passed)) == len(passed)
    assert {event.product for event in ledger.journal if isinstance(event, GrantIssued)} == {"single", "single-fast"}


# ---- devices and orders


async def status_of(addresses: StageAddresses, unit: int) -> tuple[bool, bool]:
    """Fire release and fault as the lane's driver reads them."""
    turnstile = await open_turnstile(BusRegistry(), TurnstileSite(addresses.buses["g"], unit), patient_profile("pulse_coil"))
    status = await turnstile.status()
    await turnstile.close()
    return status.fire_release, status.fault


async def test_every_device_answers_and_obeys(stage: StageProcess, tmp_path: Path) -> None:
    as_protocol: Stage = stage
    addresses = await as_protocol.start(small_site(tmp_path), 1)
    assert set(addresses.buses) == {"g"}
    assert set(addresses.cameras) == {"a", "b"}
    for url in addresses.cameras.values():
        camera = MjpegCamera(url, SystemClock())
        camera.start()
        async with asyncio.timeout(WAIT_S):
            assert await camera.next_frame() is not None
        await camera.close()
    assert [await status_of(addresses, unit) for unit in (1, 2)] == [(False, False), (False, False)]
    await stage.release("a", on=True)
    await stage.fault("b", on=True)
    assert [await status_of(addresses, unit) for unit in (1, 2)] == [(True, False), (False, True)]
    await stage.release("a", on=False)
    await stage.fault("b", on=False)
    assert [await status_of(addresses, unit) for unit in (1, 2)] == [(False, False), (False, False)]
    with pytest.raises(Invalid, match="nowhere"):
        await stage.release("nowhere", on=True)


async def test_the_key_is_in_no_argument_and_doors_open_once_at_a_time(stage: StageProcess, tmp_path: Path) -> None:
    await stage.start(small_site(tmp_path), 1)
    key = "secret-channel-key"
    await stage.open_doors("http://127.0.0.1:9", key, date(2026, 12, 5))
    assert stage.pid is not None
    process = psutil.Process(stage.pid)
    assert key not in " ".join(process.cmdline())
    assert key not in str(process.environ())
    with pytest.raises(Invalid, match="open"):
        await stage.open_doors("http://127.0.0.1:9", key, date(2026, 12, 5))
    assert (await stage.pause())["went_through"] == 0
    await stage.open_doors("http://127.0.0.1:9", key, date(2026, 12, 5))


async def test_an_answer_that_was_given_up_on_is_not_taken_for_the_next(stage: StageProcess, tmp_path: Path) -> None:
    addresses = await stage.start(small_site(tmp_path), 1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await stage.release("nowhere", on=True)
    await stage.release("a", on=True)
    assert await status_of(addresses, 1) == (True, False)


@pytest.mark.parametrize("unit", [1, 300])
async def test_a_site_that_cannot_be_played_is_told_in_a_sentence(stage: StageProcess, tmp_path: Path, unit: int) -> None:
    with pytest.raises(Unavailable, match="unit"):
        await stage.start(small_site(tmp_path, unit), 1)
    await stage.stop()
    assert stage.pid is None


async def test_a_stage_that_died_is_told(stage: StageProcess, tmp_path: Path) -> None:
    await stage.start(small_site(tmp_path), 1)
    assert stage.pid is not None
    os.kill(stage.pid, signal.SIGKILL)
    with pytest.raises(Unavailable, match="ended"):
        await stage.pause()
    await stage.stop()
    with pytest.raises(Unavailable, match="not running"):
        await stage.pause()


# ---- its end


async def test_ctrl_c_is_for_who_started_it(stage: StageProcess, tmp_path: Path) -> None:
    await stage.start(small_site(tmp_path), 1)
    assert stage.pid is not None
    os.kill(stage.pid, signal.SIGINT)
    await stage.release("a", on=True)
    process = psutil.Process(stage.pid)
    await stage.stop()
    await stage.stop()
    assert not process.is_running()
    assert stage.pid is None


def spawn(site_file: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sim.stage", "--site", str(site_file), "--seed", "1"]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_lines_of_nonsense_are_answered_and_survived(tmp_path: Path) -> None:
    with spawn(small_site(tmp_path)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["ready"] is True
        for line in ("{", "[]", '{"do": "dance"}', '{"do": "open"}', '{"do": "release"}', '{"do": "pause", "x": 1}'):
            process.stdin.write(line + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["problem"]
        process.stdin.write('{"do": "pause"}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["paused"] is True
        process.stdin.write('{"do": "stop"}\n')
        process.stdin.flush()
        assert process.wait(WAIT_S) == 0


async def test_the_end_of_input_ends_it_while_it_waits_for_guests(tmp_path: Path, demo_site: Site) -> None:
    """No lane is at work, so whoever holds a code up stands there for many seconds and a pause takes as long."""
    today = site_day(SystemClock().now().at, demo_site).isoformat()
    async with open_console(tmp_path, demo_site, KnowingLedger()) as (address, key), asyncio.timeout(WAIT_S):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sim.stage", "--site", str(DEMO)),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        ready = json.loads(await process.stdout.readline())
        process.stdin.write(json.dumps({"do": "open", "console": address, "channel_key": key, "day": today}).encode() + b"\n")
        camera, reader = MjpegCamera(ready["cameras"]["north-1"], SystemClock()), CodeReader()
        camera.start()
        while (frame := await camera.next_frame()) is None or reader.read(frame.jpeg).text is None:
            pass
        await camera.close()
        process.stdin.write(b'{"do": "pause"}\n')
        process.stdin.close()
        assert await process.wait() == 0
        answers = [json.loads(line) for line in (await process.stdout.read()).splitlines()]
    assert [answer["problem"] for answer in answers] == [""]
    assert not answers[0]["paused"]


async def test_it_does_not_outlive_who_started_it(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom sim.stage_process import StageProcess\n"
        "async def main():\n"
        "    stage = StageProcess()\n"
        "    await stage.start(Path(sys.argv[1]), 1)\n"
        "    print(stage.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(small_site(tmp_path)), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    async with asyncio.timeout(WAIT_S):
        child = psutil.Process(int(await parent.stdout.readline()))
        parent.kill()
        await parent.wait()
        await asyncio.to_thread(child.wait, WAIT_S)
    assert not child.is_running()
