"""`snowgate doctor`: what works here and what is missing, each with what to do. Stores are really started and asked."""

import asyncio
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points, version
from importlib.util import find_spec
from pathlib import Path

import msgspec
from redis.exceptions import RedisError
from sqlalchemy import text

from devices.code_engines import zbar_problem
from ml_models.manifest import load_manifest, problems
from orchestrator.settings import REDIS_URL, Places, load_site, places
from orchestrator.speech import check_voices_and_lamps, languages_of, voice_problem
from resort.clock import SystemClock
from resort.errors import SnowgateError
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.migrate import upgrade
from storage.redis_client import connect
from storage.valkey_server import ValkeyServer

FREE_BYTES_NEEDED = 2 * 2**30
BUILT = datetime(2026, 11, 1, tzinfo=UTC)  # a clock before this is wrong for sure


class Finding(msgspec.Struct, frozen=True):
    """One line of the doctor's report. `needed` False: the resort runs without it."""

    part: str
    good: bool
    says: str
    needed: bool = True

    def __str__(self) -> str:
        mark = "ok     " if self.good else ("MISSING" if self.needed else "off    ")
        return f"{mark}  {self.part}: {self.says}"


async def examine(site_file: Path, data: Path) -> list[Finding]:
    """Every finding, in a fixed order."""
    where = places(data)
    findings = [_python(), _site(site_file), _second_reader(), _front_end(), _models(), _disk(where)]
    findings += await asyncio.gather(_redis(where), _sql(where), _clock(where), _voices(site_file))
    findings += [_port(site_file), _ray(), _stage()]
    return findings


def _python() -> Finding:
    good = sys.version_info[:2] == (3, 11)
    return Finding("Python", good, f"{platform.python_version()}{'' if good else ' - install Python 3.11'}")


def _site(site_file: Path) -> Finding:
    try:
        site = load_site(site_file)
    except SnowgateError as error:
        return Finding("site file", good=False, says=f"{error} Mend {site_file} or name another with --site.")
    return Finding("site file", good=True, says=f"{site.name.en}, {len(site.gates)} gates, {len(site.lanes())} lanes")


async def _voices(site_file: Path) -> Finding:
    try:
        site = load_site(site_file)
        check_voices_and_lamps(site)
    except SnowgateError as error:
        return Finding("speakers", good=False, says=str(error))
    languages = languages_of(site)
    if not languages:
        return Finding("speakers", good=True, says="no lane has one")
    problem = await voice_problem(site)
    return Finding("speakers", problem is None, problem or f"they speak {', '.join(languages)}", needed=False)


def _second_reader() -> Finding:
    problem = zbar_problem()
    return Finding("second code reader (libzbar0)", problem is None, problem or "pyzbar reads beside zxing-cpp", needed=False)


def _front_end() -> Finding:
    specification = find_spec("web_console")
    folder = Path(specification.origin or "").parent if specification is not None else Path()
    good = (folder / "static" / "index.html").is_file()
    return Finding("console pages", good, "built" if good else "not built - run `make install`")


def _models() -> Finding:
    try:
        manifest = load_manifest()
    except SnowgateError as error:
        return Finding("models", good=False, says=str(error))
    wrong = problems(manifest)
    if wrong:
        return Finding("models", good=False, says=f"{'; '.join(wrong)} - run `make install`")
    return Finding("models", good=True, says=f"{len(manifest.models)} pinned, onnxruntime {version('onnxruntime')}")


def _disk(where: Places) -> Finding:
    free = shutil.disk_usage(where.data).free
    good = free >= FREE_BYTES_NEEDED
    advice = "" if good else " - free at least 2 GiB"
    return Finding("disk", good, f"{free / 2**30:.1f} GiB free for {where.data.name}{advice}")


async def _redis(where: Places) -> Finding:
    server: ValkeyServer | None = None
    with tempfile.TemporaryDirectory(prefix="snowgate-doctor-") as folder:
        url = where.redis_url
        try:
            if url is None:
                server = ValkeyServer(Path(folder), Path(folder) / "valkey.sock")
                await server.start()
                url = server.url
            client = connect(url)
            try:
                information = await client.info("server")
            finally:
                await client.aclose()
        except (SnowgateError, RedisError, OSError) as error:
            advice = f"check {REDIS_URL}" if where.redis_url else "install the package again"
            return Finding("Redis", good=False, says=f"{str(error).rstrip('.')} - {advice}")
        finally:
            if server is not None:
                await server.stop()
    name = information.get("server_name", "redis")
    found = information.get("valkey_version", information.get("redis_version"))
    return Finding("Redis", good=True, says=f"{name} {found}{' (our own, started and stopped)' if server else ''}")


async def _with_database(where: Places, check: Callable[[Database], Awaitable[Finding]], part: str) -> Finding:
    database = Database(where.database_url)
    try:
        return await check(database)
    except SnowgateError as error:
        return Finding(part, good=False, says=f"{error} Check SNOWGATE_DATABASE_URL and the data folder.")
    finally:
        await database.dispose()


async def _sql(where: Places) -> Finding:
    async def check(database: Database) -> Finding:
        await upgrade(where.database_url)
        async with database.read() as connection:
            if database.is_sqlite:
                mode = (await connection.execute(text("PRAGMA journal_mode"))).scalar_one()
                return Finding("SQL", mode == "wal", f"SQLite, journal mode {mode}")
            answer = (await connection.execute(text("SELECT version()"))).scalar_one()
            return Finding("SQL", good=True, says=str(answer).split(" on ")[0])

    return await _with_database(where, check, "SQL")


async def _clock(where: Places) -> Finding:
    now = SystemClock().now().at

    async def check(database: Database) -> Finding:
        await upgrade(where.database_url)
        newest = await JournalStore(database).newest_at()
        if now < BUILT:
            return Finding("clock", good=False, says=f"{now:%Y-%m-%d %H:%M} UTC is in the past - set the clock")
        if newest is not None and newest > now + timedelta(seconds=5):
            return Finding("clock", good=False, says="the journal holds events from the future - set the clock, use NTP")
        return Finding("clock", good=True, says=f"{now:%Y-%m-%d %H:%M:%S} UTC")

    return await _with_database(where, check, "clock")


def _port(site_file: Path) -> Finding:
    try:
        runtime = load_site(site_file).runtime
    except SnowgateError:
        return Finding("console port", good=False, says="unknown without a site file")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((runtime.console_host, runtime.console_port))
        except OSError as error:
            advice = "stop what uses it or choose another with --port"
            return Finding(
                "console port", good=False, says=f"{runtime.console_port}: {os.strerror(error.errno or 0)} - {advice}"
            )
    return Finding("console port", good=True, says=f"{runtime.console_host}:{runtime.console_port} is free")


def _ray() -> Finding:
    return Finding("Ray", good=True, says=f"{version('ray')}, local, loopback only")


def _stage() -> Finding:
    good = bool(list(entry_points(group="snowgate.stages")))
    return Finding("rehearsal stage", good, "found" if good else "not installed - run `make install`", needed=False)
