"""`snowgate keys …` and `snowgate channel-key …`: signing keys of codes, and keys of sales channels.

Both work on the data folder, whether the site is open or not. A signing key is never shown; a channel key is, once.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Annotated

import typer

from orchestrator.options import DATA, DEMO_SITE, DataOption, SiteOption
from orchestrator.run import say
from orchestrator.settings import Places, load_site, places
from resort.access.service_day import site_day
from resort.clock import SystemClock
from resort.errors import Unavailable
from resort.ids import RandomIds
from storage.accounts import Accounts
from storage.database import Database
from storage.key_file import KeyStanding, add_key, ensure_keys, key_standings, make_current, retire_key
from storage.key_holders import holders_without
from storage.migrate import upgrade
from storage.tickets_sql import count_printed

RELOAD_S = 30.0  # every process looks at the key file about once a second
LOOK_S = 0.1

keys = typer.Typer(help="Keys that ticket codes are signed with.", no_args_is_help=True)
channel_key = typer.Typer(help="Keys under which programs sell.", no_args_is_help=True)


@keys.command("list")
def key_list(data: DataOption = DATA) -> None:
    """Ids and times of the keys; never a key."""
    where = places(data)
    ensure_keys(where.key_file, SystemClock().now().at)
    for standing in key_standings(where.key_file):
        say(described(standing))


@keys.command("rotate")
def key_rotate(data: DataOption = DATA) -> None:
    """Sign new codes with a new key. Codes under the old ones stay valid until those are retired."""
    key_id = asyncio.run(rotate(places(data)))
    say(f"Key {key_id} signs from now on. Codes under the older keys stay valid; `snowgate keys retire ID` ends that.")


@keys.command("retire")
def key_retire(
    key_id: Annotated[int, typer.Argument(metavar="ID", help="As `snowgate keys list` shows it.")],
    site: SiteOption = DEMO_SITE,
    data: DataOption = DATA,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask, however many tickets may have been printed under it.")
    ] = False,
) -> None:
    """Accept codes under this key no longer."""
    where = places(data)
    ensure_keys(where.key_file)
    standing = next((key for key in key_standings(where.key_file) if key.key_id == key_id), None)
    printed = 0
    if standing is not None and not standing.current:
        today = site_day(SystemClock().now().at, load_site(site))
        printed = asyncio.run(_printed(where, standing, today))
    if printed and not yes:
        say(
            f"{printed} tickets that are still valid were issued while key {key_id} signed. Codes printed then will be refused."
        )
        typer.confirm("Retire it all the same?", abort=True)
    retire_key(where.key_file, key_id)
    say(f"Key {key_id} is retired; lanes refuse its codes within about a second.")


async def rotate(where: Places, patience_s: float = RELOAD_S) -> int:
    """Add a key, wait until every running process accepts it, then sign with it; answers its id.

    Raises Unavailable when a process does not reload in time: nothing is signed with the new key then, and the next call goes
    on with it.
    """
    clock = SystemClock()
    ensure_keys(where.key_file, clock.now().at)
    key_id = add_key(where.key_file, clock.now().at)
    try:
        async with asyncio.timeout(patience_s):
            while holders_without(where.key_file, key_id):  # noqa: ASYNC110 - what other processes write in files
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        missing = ", ".join(holders_without(where.key_file, key_id))
        raise Unavailable(
            missing, f"it has not taken up key {key_id}, which therefore signs nothing yet; rotate again"
        ) from None
    make_current(where.key_file, key_id, clock.now().at)
    return key_id


def described(standing: KeyStanding) -> str:
    """One line about a key, for people."""
    if standing.current:
        use = "signs" + (f" since {_time(standing.current_from)}" if standing.current_from else "")
    elif standing.current_until is not None:
        use = f"accepted; signed until {_time(standing.current_until)}"
    else:
        use = "accepted; has signed nothing yet"
    made = f"made {_time(standing.made_at)}" if standing.made_at else "made before such times were kept"
    return f"  key {standing.key_id:3}  {use}; {made}"


@channel_key.command("add")
def channel_key_add(
    name: str,
    channel: Annotated[str, typer.Option("--channel", help="shop, kiosk, desk, partner, or a partner's own name.")],
    data: DataOption = DATA,
) -> None:
    """Make a key for a program that sells; it is shown this once."""

    async def add() -> str:
        async with _accounts(places(data)) as accounts:
            return await accounts.create_channel_key(name, channel)

    say(asyncio.run(add()))
    say(f"This is the key of {name} for the channel {channel}. It is shown only now: give it to nobody but that program.")


@channel_key.command("list")
def channel_key_list(data: DataOption = DATA) -> None:
    """Names and channels of the keys; never a key."""

    async def found() -> list[str]:
        async with _accounts(places(data)) as accounts:
            stored = await accounts.channel_key_list()
        return [f"  {key.name:32} {key.channel:16} since {_time(key.created_at)}" for key in stored]

    for line in asyncio.run(found()):
        say(line)


@channel_key.command("revoke")
def channel_key_revoke(name: str, data: DataOption = DATA) -> None:
    """End a key: the next request that brings it is refused."""

    async def revoke() -> None:
        async with _accounts(places(data)) as accounts:
            await accounts.revoke_channel_key(name)

    asyncio.run(revoke())
    say(f"The key of {name} is valid no longer.")


@asynccontextmanager
async def _accounts(where: Places) -> AsyncIterator[Accounts]:
    await upgrade(where.database_url)
    database = Database(where.database_url)
    try:
        yield Accounts(database, SystemClock(), RandomIds())
    finally:
        await database.dispose()


async def _printed(where: Places, standing: KeyStanding, today: date) -> int:
    await upgrade(where.database_url)
    database = Database(where.database_url)
    try:
        async with database.read() as connection:
            return await count_printed(connection, standing.current_from, standing.current_until, today)
    finally:
        await database.dispose()


def _time(at: datetime | None) -> str:
    return "" if at is None else at.strftime("%Y-%m-%d %H:%M UTC")
