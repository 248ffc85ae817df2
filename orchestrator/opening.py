"""Opening and closing a site: stores, Ray, actors, windows and the rehearsal stage, each after what it needs."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib.metadata import entry_points
from pathlib import Path

import msgspec
import psutil

from actors.alarm_client import RayAlarms
from actors.crowd_client import RayCrowd
from actors.feed_client import RayFeed, RayGates
from orchestrator.cluster import Cluster, Stores, start_local_ray
from orchestrator.drills import load_drill
from orchestrator.faces import check_face_models, face_office, face_parts, face_store
from orchestrator.leftovers import RunFile, end_processes
from orchestrator.parts import OpenResort, WebhookParts, Window
from orchestrator.people import PeopleDesk
from orchestrator.selling import Selling
from orchestrator.settings import load_site, needs_stage, places, webhook, with_addresses
from orchestrator.speech import SpeechMaking, check_voices_and_lamps
from orchestrator.stages import Stage, StageAddresses
from resort.access.service_day import site_day
from resort.clock import SystemClock, rehearse_clock
from resort.errors import PartMissing, SnowgateError
from resort.ids import RandomIds
from resort.site import Site
from storage.accounts import Accounts
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.journal_stream import JournalStream
from storage.key_file import ensure_keys
from storage.ledger_books import LedgerBooks
from storage.migrate import upgrade
from storage.rebuild import recover_ledger
from storage.redis_client import connect
from storage.redis_ledger import LedgerKeys
from storage.site_meta import SiteMeta
from storage.valkey_server import ValkeyServer

Told = Callable[[str], None]
CLOSE_S = 7.5  # then what is left is ended by force, which takes up to about a second


@dataclass(frozen=True, slots=True)
class Opening:
    """What `snowgate up` was asked for. `port` overrides the site's console port; 0 takes a free one. `drill` names a drill's
    settings, which only its own data folder takes."""

    site_file: Path
    data: Path
    seed: int = 1
    port: int | None = None
    guests: bool = True
    drill: Path | None = None


class OpenSite:
    """A site that is open. Made by `open_site`; `close` leaves no process and no socket behind."""

    def __init__(self, opening: Opening, told: Told) -> None:
        self.clock = SystemClock()
        self.ids = RandomIds()
        self.address = ""
        self.first_password: str | None = None
        self.opened_in_s = 0.0
        self.seed = opening.seed
        self._opening = opening
        self._told = told
        self._began = self.clock.now()
        self._closers = contextlib.AsyncExitStack()
        self._windows: list[Window] = []
        self.stage: Stage | None = None
        self._stage_paused = False

    async def open(self) -> None:
        """Open everything; on an error what was opened is closed again. Raises SnowgateError."""
        try:
            await self._open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Guests first, then windows, lanes, journal, Ray, stores; idempotent.

        Takes at most about 9 s: what has not closed by then is ended by force, and recovers at the next opening.
        """
        deadline = asyncio.create_task(self._end_by_force(), name="closing deadline")
        try:
            await self._closers.aclose()
        finally:
            deadline.cancel()
            await asyncio.gather(deadline, return_exceptions=True)

    async def _end_by_force(self) -> None:
        await asyncio.sleep(CLOSE_S)
        self._told("Some parts do not close in time and are ended by force.")
        await asyncio.to_thread(end_processes, psutil.Process().children(recursive=True))

    async def pause_guests(self) -> dict[str, int]:
        """Let nobody new come, wait until the lanes are empty; answers what the guests did."""
        if self.stage is None or self._stage_paused:
            return {}
        self._stage_paused = True
        return await self.stage.pause()

    def local_day(self) -> date:
        """The day that is under way at the site."""
        return site_day(self.clock.now().at, self.site)

    # ---- the steps, in order

    async def _open(self) -> None:
        opening = self._opening
        self.places = places(opening.data)
        self.drill = load_drill(opening.drill, self.places.data)
        if self.drill.clock_file:
            rehearse_clock(Path(self.drill.clock_file), steady=self.drill.guards.steady_clock)
        self.site = self._site_asked_for(load_site(opening.site_file))
        self._webhooks = tuple(webhook(hook) for hook in self.site.webhooks)
        check_voices_and_lamps(self.site)
        await asyncio.to_thread(check_face_models, self.site)
        self._run_file = run_file = RunFile(self.places.run_file)
        run_file.acquire()
        self._closers.callback(run_file.release)
        ended = await asyncio.to_thread(run_file.end_recorded)
        if ended:
            self._tell(f"ended {ended} processes that a killed run had left behind")
        ensure_keys(self.places.key_file, self.clock.now().at)
        speech = SpeechMaking(self.site, self.places.phrases, self._tell)
        self._closers.push_async_callback(speech.stop)
        speech.start()
        redis_url, addresses = await self._open_parts()
        run_file.record_children()
        # Before any lane can decide on it: has SQL everything that lanes kept, and the ledger everything that SQL knows?
        books, spools = LedgerBooks(self.database), self.places.spools
        rebuilt = await recover_ledger(self.redis, self.site_name, self.journal, books, self.clock, spools)
        if rebuilt:
            self._tell(f"the admission ledger was rebuilt from SQL: {rebuilt} tickets")
        # And the ledger what staff ordered while the site was closed?
        self._selling = Selling(self.database, redis_url, self.site_name, self.site, self.places.key_file, self.clock, self.ids)
        self._closers.push_async_callback(self._selling.close)
        await self._selling.desk.tell_pending()
        self.cluster = Cluster(
            with_addresses(self.site, addresses.buses, addresses.cameras),
            Stores(
                redis_url,
                self.places.database_url,
                self.places.key_file,
                self.site_name,
                self.places.spools,
                self.drill,
                self.places.phrases,
                self.places.face_keys,
                self.places.models,
            ),
        )
        await asyncio.to_thread(start_local_ray, self.places.runtime / "ray", self.cluster.size)
        self._closers.push_async_callback(self.cluster.stop)
        run_file.record_children()
        self._tell("Ray is ready")
        await self.cluster.start_actors(lambda name, ready, size: self._tell(f"{ready}/{size} {name} is ready"))
        await self._open_windows()
        await self._open_doors()
        run_file.record_children()
        self.opened_in_s = self.clock.now().ms_since(self._began) / 1000

    def _site_asked_for(self, site: Site) -> Site:
        if self._opening.port is None:
            return site
        return msgspec.structs.replace(site, runtime=msgspec.structs.replace(site.runtime, console_port=self._opening.port))

    @property
    def site_name(self) -> str:
        """The name under which the site's keys stand in the ledger."""
        return self._opening.site_file.stem

    async def _open_parts(self) -> tuple[str, StageAddresses]:
        """SQL, ledger store and stage need nothing of each other: they start together."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._open_database())
                redis = group.create_task(self._open_redis())
                stage = group.create_task(self._open_stage())
        except BaseExceptionGroup as failed:
            # One part cannot open: the others were stopped, and the first reason is the one to tell.
            raise failed.exceptions[0] from None
        return redis.result(), stage.result()

    async def _open_database(self) -> None:
        await upgrade(self.places.database_url)
        self.database = Database(self.places.database_url)
        self._closers.push_async_callback(self.database.dispose)
        self.journal = JournalStore(self.database)
        self._faces = face_store(self.site, self.database, self.places.face_keys, self.clock)
        self._tell("the database is ready")

    async def _open_redis(self) -> str:
        redis_url = self.places.redis_url
        if redis_url is None:
            epoch = LedgerKeys(self.site_name).epoch
            server = ValkeyServer(
                self.places.data / "valkey",
                self.places.valkey_socket,
                on_spawn=self._run_file.record_children,
                on_return=(lambda client: client.delete(epoch)) if self.drill.guards.fence else None,
            )
            self._closers.push_async_callback(server.stop)
            await server.start()
            redis_url = server.url
            self._tell("Valkey is ready")
        self.redis = connect(redis_url)
        self._closers.push_async_callback(self.redis.aclose)
        self.stream = JournalStream(self.redis, self.site_name)
        return redis_url

    async def _open_stage(self) -> StageAddresses:
        if not needs_stage(self.site):
            return StageAddresses({}, {})
        found = list(entry_points(group="snowgate.stages"))
        if not found:
            raise PartMissing("The rehearsal stage", "install the package with its entry points (make install)")
        stage: Stage = found[0].load()()
        self.stage = stage
        self._closers.push_async_callback(stage.stop)
        addresses = await stage.start(self._opening.site_file, self._opening.seed)
        self._tell("the rehearsal stage plays turnstiles and cameras")
        return addresses

    async def _open_windows(self) -> None:
        selling = self._selling
        await selling.start()
        self._closers.push_async_callback(selling.stop)
        parts = face_parts(self.site, self._faces)
        faces = face_office(self.site, self.database, self._faces, parts, self.clock, self.ids)
        self._closers.push_async_callback(faces.close)
        await faces.start()
        self.accounts = Accounts(self.database, self.clock, self.ids)
        self.first_password = await self.accounts.ensure_admin()
        alarms = RayAlarms()
        people = PeopleDesk(self.site, self.clock, alarms.see_sensors)
        self._closers.push_async_callback(people.close)
        people.start()
        resort = OpenResort(
            self.site,
            self.clock,
            self.ids,
            selling.office,
            self.accounts,
            RayFeed(),
            RayGates(self.site),
            selling.desk,
            alarms,
            WebhookParts(self._webhooks, self.journal, SiteMeta(self.database)),
            parts,
            faces,
            people=people,
            crowd=RayCrowd(),
        )
        for point in entry_points(group="snowgate.windows"):
            window: Window = point.load()()
            self._closers.push_async_callback(window.stop)
            self.address = await window.start(resort)
            self._tell(f"{point.name} at {self.address}")

    async def _open_doors(self) -> None:
        if self.stage is None or not self._opening.guests:
            return
        self._closers.push_async_callback(self._send_guests_home)
        await self.stage.open_doors(self.address, await self._channel_key(), self.local_day())

    async def _send_guests_home(self) -> None:
        with contextlib.suppress(SnowgateError, TimeoutError):
            async with asyncio.timeout(2.0):
                await self.pause_guests()

    async def _channel_key(self) -> str:
        """The sales channel key of the rehearsal's guests; made once, kept in the data folder for its owner only."""
        path = self.places.channel_key_file
        if path.exists():
            key = path.read_text()
            if await self.accounts.channel_of(key) is not None:
                return key
        key = await self.accounts.create_channel_key("rehearsal guests", "kiosk")
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key)
        return key

    def _tell(self, text: str) -> None:
        self._told(f"{self.clock.now().ms_since(self._began) / 1000:5.1f} s  {text}")
