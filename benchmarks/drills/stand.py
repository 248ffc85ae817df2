"""The stand of a drill: stage, stores, lines, site and load of one run, and what was measured of its faults.

The stage with its steel and guests is the drill's own child, so that it outlives whatever is done to the site; the site gets
the addresses of its devices in a site file made for this run.
"""

import asyncio
import contextlib
import random
import shutil
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import msgspec
import psutil
import yaml

from benchmarks.drills.ledger_proxy import LedgerProxy
from benchmarks.drills.plan import DrillPlan
from benchmarks.drills.postgres_server import PostgresServer
from benchmarks.drills.site_process import ROOT, SiteProcess, until
from benchmarks.drills.sql_view import SqlView
from benchmarks.drills.truth_tail import NS, TruthTail
from orchestrator.drills import DrillAsk, mark_for_drills
from orchestrator.settings import DATABASE_URL, REDIS_URL, load_site, places, with_addresses
from orchestrator.stages import LoadMix, LoadOrder, LoadTally
from resort.access.service_day import site_day
from resort.clock import SystemClock, set_rehearsed_clock
from resort.errors import Unavailable
from resort.guards import DrillSettings, Guards
from resort.ids import RandomIds
from resort.site import Site
from sim.stage_process import StageProcess
from storage.accounts import Accounts
from storage.database import Database
from storage.migrate import upgrade
from storage.valkey_server import ValkeyServer

SITE_FILE = ROOT / "config" / "drill.yaml"
PATIENCE_S = 20.0  # a recovery that takes longer is none, and counts as this long
BUYING_S = 120.0
LOAD_LOOK_S = 0.1
AFTER_S = 10.0  # of load that must be left when a fault strikes, so that its end is seen


def noon_zone(hour: int) -> str:
    """The zone in which it is noon at that hour of UTC: no run meets midnight, not even one whose clock jumps two hours."""
    ahead = 12 - hour  # Etc's names count the other way round: GMT-3 is three hours ahead
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


class Stand:
    """Everything around one run. Use as an async context manager; `site` is open inside."""

    def __init__(self, plan: DrillPlan, ask: DrillAsk, told: Callable[[str], None]) -> None:
        self.plan, self.ask, self.told = plan, ask, told
        self.clock = SystemClock()
        self.dice = random.Random(f"drill {plan.name} {ask.seed}")  # noqa: S311 - a drill is repeated by its seed
        self.folder = Path(tempfile.mkdtemp(prefix="snowgate-drill-"))
        self.truth = self.folder / "truth.jsonl"
        self.clock_file = self.folder / "clock"
        self.tail = TruthTail(self.truth)
        self.stage = StageProcess()
        self.postgres: PostgresServer | None = None
        self.valkey: ValkeyServer | None = None
        self.lines: dict[str, LedgerProxy] = {}  # by gate id; "" for everybody else
        self.ports: dict[int, str] = {}  # of scanners, with their lanes
        self.measured: dict[str, list[float]] = {}
        self.remarks: list[str] = []
        self.kills = 0
        self.kept = False  # the folder stays behind, for whoever looks into what went wrong
        self.told_passages = 0  # the most that the console ever showed
        self._closers = contextlib.AsyncExitStack()
        self._key = ""
        self._loads = 0
        self._order = LoadOrder(truth="", rate_per_s=1, scans=1)

    async def __aenter__(self) -> "Stand":
        try:
            await self._open()
        except BaseException:
            await self._closers.aclose()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        await self._closers.aclose()

    # ---- for faults

    @property
    def now_ns(self) -> int:
        """The monotonic tick that the truth is written in, too."""
        return self.clock.now().tick_ns

    def since_s(self, tick_ns: int) -> float:
        """Seconds since that tick."""
        return (self.now_ns - tick_ns) / NS

    def note(self, figure: str, seconds: float) -> None:
        """Remember one measurement; the worst of each figure counts."""
        self.measured.setdefault(figure, []).append(seconds)

    def kill(self, process: psutil.Process, how: int) -> int:
        """Send a signal (SIGKILL, above all), and answer the tick at which it was sent."""
        tick = self.now_ns
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(how)
        return tick

    def victims(self, title: str) -> list[psutil.Process]:
        """The site's processes whose title begins so. Raises Unavailable when there is none: a drill must not strike at air."""
        found = self.site.processes(title)
        if not found:
            raise Unavailable(title, "the site has no such process")
        return found

    def lane_hosts(self) -> list[tuple[psutil.Process, str]]:
        """The processes that host lanes, each with one of its lanes; those that have connected to their scanner."""
        hosts = [(process, SiteProcess.connected_to(process, self.ports)) for process in self.site.processes("ray::LaneActor")]
        return [(process, lanes[0]) for process, lanes in hosts if lanes]

    async def until_unlocked(self, since_ns: int, lane_id: str = "") -> float:
        """Seconds from that tick until an arm was unlocked, at this lane or anywhere; `PATIENCE_S` if none was."""

        async def unlocked() -> float | None:
            tick = self.tail.unlocked_after(since_ns, lane_id)
            return None if tick is None else (tick - since_ns) / NS

        try:
            return await until(unlocked, PATIENCE_S, "An unlocked arm")
        except Unavailable:
            self.remarks.append(f"no arm was unlocked {f'at {lane_id} ' if lane_id else ''}within {PATIENCE_S:g} s")
            return PATIENCE_S

    async def next_unlocking(self, lane_id: str) -> bool:
        """Wait for the next unlocking at this lane; False if none comes within about a second, as nobody with a ticket may."""
        now = self.now_ns
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                while True:
                    if self.tail.unlocked_after(now, lane_id) is not None:
                        return True
                    await asyncio.sleep(0.001)
        return False

    async def look_at_board(self) -> dict[str, str]:
        """The lanes' states as the console shows them; also takes note of the passages that it tells of."""
        lanes = await self.site.lanes()
        self.told_passages = max(self.told_passages, sum(lane["passages"] for lane in lanes.values()))
        return {lane_id: lane["state"] for lane_id, lane in lanes.items()}

    # ---- the load

    async def keep_loaded(self) -> None:
        """Guests are coming, and will for a while yet: begins the next load when the last one comes to its end."""
        tally = await self.stage.tally()
        ahead = (tally.planned - tally.presented) / self._order.rate_per_s
        if tally.phase == "running" and ahead >= AFTER_S:
            return
        if self._loads:
            await self.until_left()
        scans = self.ask.kills * self.plan.scans_per_kill
        await self.begin_load(min(2_500, max(scans, round(self.plan.rate_per_s * 2 * AFTER_S))), self.plan.mix)

    async def begin_load(self, scans: int, mix: LoadMix) -> None:
        """Buy tickets and let the guests come. Raises Unavailable when they cannot buy."""
        self._loads += 1
        seed = self.ask.seed * 1_000 + self._loads
        plan, truth = self.plan, str(self.truth)
        self._order = LoadOrder(truth, plan.rate_per_s, scans, seed, mix, plan.hesitate, plan.turn_ms)
        self.told(f"load {self._loads}: {scans} guests, {self.plan.rate_per_s:g} a second")
        await self.stage.load(self.site.address, self._key, self.today, self._order)
        await self._until_phase(lambda tally: tally.phase in ("running", "done"), BUYING_S)

    async def until_left(self) -> None:
        """Wait until the last guest of the load has left."""
        left_s = self._order.scans / self._order.rate_per_s
        await self._until_phase(lambda tally: tally.done, left_s + 60.0)

    async def _until_phase(self, reached: Callable[[LoadTally], bool], patience_s: float) -> None:
        try:
            async with asyncio.timeout(patience_s):
                while not reached(tally := await self.stage.tally()):
                    if tally.phase == "failed":
                        raise Unavailable("The load", tally.problem.rstrip("."))
                    await asyncio.sleep(LOAD_LOOK_S)
        except TimeoutError:
            raise Unavailable("The load", f"it did not come on within {patience_s:g} s") from None

    @property
    def today(self) -> date:
        """The day that the load's tickets are bought for."""
        return site_day(self.clock.now().at, self._site)

    # ---- opening

    async def _open(self) -> None:
        self._closers.callback(self._tidy)
        data = self.folder / "data"
        mark_for_drills(data)
        self._closers.push_async_callback(self.stage.stop)
        addresses = await self.stage.start(SITE_FILE, self.ask.seed)
        site = msgspec.structs.replace(load_site(SITE_FILE), timezone=noon_zone(self.clock.now().at.hour))
        self._site = with_addresses(site, addresses.buses, addresses.cameras)
        self.ports = {urlsplit(url).port or 0: lane_id for lane_id, url in addresses.cameras.items()}
        site_file = self.folder / "drill.yaml"
        site_file.write_text(yaml.safe_dump(msgspec.to_builtins(self._site), allow_unicode=True))
        environment = {DATABASE_URL: await self._open_sql(data), REDIS_URL: await self._open_ledger(self._site)}
        self.view = SqlView(environment[DATABASE_URL])
        self._closers.push_async_callback(self.view.close)
        await self._make_key(environment[DATABASE_URL])
        drill_file = self.folder / "drill.json"
        drill_file.write_bytes(msgspec.json.encode(self._settings()))
        await self._closers.enter_async_context(self.tail)
        self.site = SiteProcess(site_file, data, drill_file, environment)
        self.valkey_socket = f"unix://{places(data).runtime / 'valkey.sock'}" if self.valkey is None else self.valkey.url
        self._closers.callback(shutil.rmtree, places(data).runtime, True)
        self._closers.push_async_callback(self.site.bury)
        self.told("opening the site under test …")
        await self.site.open()

    def _tidy(self) -> None:
        if not self.kept:
            shutil.rmtree(self.folder, ignore_errors=True)

    async def _open_sql(self, data: Path) -> str:
        if self.plan.sql == "sqlite":
            return f"sqlite+aiosqlite:///{data / 'snowgate.db'}"
        self.postgres = PostgresServer()
        self._closers.push_async_callback(self.postgres.stop)
        self.told("starting PostgreSQL …")
        await self.postgres.start()
        return self.postgres.url

    async def _open_ledger(self, site: Site) -> str:
        """Empty where the site runs its own Valkey; else the line by which everybody but the gates reaches the drill's."""
        if self.plan.ledger == "own":
            return ""
        self.valkey = ValkeyServer(self.folder / "valkey", self.folder / "valkey.sock")
        self._closers.push_async_callback(self.valkey.stop)
        await self.valkey.start()
        for name in ("", *(gate.id for gate in site.gates)):
            line = self.lines[name] = LedgerProxy(self.valkey.url.removeprefix("unix://"))
            await line.start()
            self._closers.push_async_callback(line.stop)
        return self.lines[""].url

    async def _make_key(self, database_url: str) -> None:
        """A channel key for the load's guests, before the site opens."""
        await upgrade(database_url)
        database = Database(database_url)
        try:
            self._key = await Accounts(database, self.clock, RandomIds()).create_channel_key("drill guests", "kiosk")
        finally:
            await database.dispose()

    def _settings(self) -> DrillSettings:
        if self.plan.clock:
            set_rehearsed_clock(self.clock_file, 0)
        guards = self.plan.control if self.ask.control else Guards()
        urls = {gate: line.url for gate, line in self.lines.items() if gate}
        return DrillSettings(guards, urls, str(self.clock_file) if self.plan.clock else "")
