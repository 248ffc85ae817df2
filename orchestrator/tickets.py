"""`snowgate ticket …`: look into tickets, say why a lane decides as it does, and change tickets from a terminal.

Works on the data folder, whether the site is open or closed. What was changed while it is closed reaches the lanes before they
open; while it is open, at once, or with the site's own next round.
"""

import asyncio
import logging
import os
import pwd
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from orchestrator.options import DATA, DEMO_SITE, DataOption, JsonOption, SiteOption
from orchestrator.run import say
from orchestrator.settings import Places, load_site, places
from orchestrator.ticket_lines import explanation_lines, ticket_lines
from resort.access.codes import CARD, CodeReading, SiteKeys, examine_code, issue_code
from resort.access.entitlement import TicketStatus
from resort.clock import SystemClock
from resort.errors import Invalid, NotFound
from resort.ids import RandomIds, TicketId
from resort.messages import TicketChanged
from resort.site import Site
from sales.explanation import Explanation, explain_code, place_of
from sales.staff_relay import StaffRelay
from sales.tickets import TicketDesk, TicketStanding
from storage.database import Database
from storage.entitlements_redis import RedisEntitlements
from storage.journal_stream import JournalStream
from storage.key_file import ensure_keys
from storage.migrate import upgrade
from storage.orders_sql import StoredTicket, find_ticket
from storage.redis_client import connect
from storage.redis_ledger import RedisLedger
from storage.tickets_sql import ticket_events, ticket_history

WRONG = 2  # exit code: what was asked for makes no sense
T = TypeVar("T")

ticket = typer.Typer(
    help="Tickets that were sold: why they open a lane or not, and what staff make of them.", no_args_is_help=True
)

NoteOption = Annotated[str, typer.Option("--note", help="Why; kept in the journal with your name.")]
TicketArgument = Annotated[str, typer.Argument(metavar="ID", help="The ticket's id.")]
CodeOrId = Annotated[
    str, typer.Argument(metavar="CODE|ID", help="The code's text, - to read it from standard input, or an id.")
]


@ticket.command("explain")
def ticket_explain(
    code: Annotated[str, typer.Argument(metavar="CODE", help="The code's text; - reads it from standard input.")],
    gate: Annotated[str, typer.Option("--gate", help="The gate's id in the site file.")],
    at: Annotated[str, typer.Option("--at", help="Local time such as 2027-01-08T09:30, or with a zone.")],
    lane: Annotated[str | None, typer.Option("--lane", help="A lane of that gate; else its first entry.")] = None,
    site: SiteOption = DEMO_SITE,
    data: DataOption = DATA,
    json_file: JsonOption = None,
) -> None:
    """Print each rule, what it saw and what it says, for a code at a gate at a time."""

    async def explained() -> Explanation:
        async with _books(site, data) as books:
            place = place_of(books.site, gate, lane)
            when = _time(at, books.site)
            async with books.database.read() as connection:
                return await explain_code(connection, _text(code), place, when, books.site, books.keys)

    found = _asked(explained())
    for line in explanation_lines(found):
        say(line)
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")


@ticket.command("show")
def ticket_show(which: CodeOrId, site: SiteOption = DEMO_SITE, data: DataOption = DATA) -> None:
    """Show a ticket: what it allows, how it was used, what staff made of it."""

    async def shown() -> list[str]:
        async with _books(site, data) as books:
            found = await _find(books, _text(which))
            async with books.database.read() as connection:
                history = await ticket_history(connection, found.ticket_id)
                return ticket_lines(found, await ticket_events(connection, found.ticket_id), history, books.site.zone)

    for line in _asked(shown()):
        say(line)


@ticket.command("block")
def ticket_block(ticket_id: TicketArgument, note: NoteOption, site: SiteOption = DEMO_SITE, data: DataOption = DATA) -> None:
    """Refuse a ticket at every lane until it is unblocked."""
    _change(site, data, ticket_id, "blocked", note)


@ticket.command("unblock")
def ticket_unblock(ticket_id: TicketArgument, note: NoteOption, site: SiteOption = DEMO_SITE, data: DataOption = DATA) -> None:
    """Let a blocked ticket be used again."""
    _change(site, data, ticket_id, "active", note)


@ticket.command("revoke")
def ticket_revoke(ticket_id: TicketArgument, note: NoteOption, site: SiteOption = DEMO_SITE, data: DataOption = DATA) -> None:
    """Take a ticket away for good."""
    _change(site, data, ticket_id, "revoked", note)


@ticket.command("staff-card")
def ticket_staff_card(
    name: Annotated[str, typer.Argument(help="Who gets the card.")],
    until: Annotated[datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="The last day.")],
    site: SiteOption = DEMO_SITE,
    data: DataOption = DATA,
) -> None:
    """Issue a card for somebody on the staff; prints its code, which is written on the card."""
    last_day: date = until.date()

    async def issued() -> tuple[TicketId, str]:
        async with _books(site, data) as books:
            card = await books.desk.issue_staff_card(name, last_day, _by())
            return card, issue_code(card, books.keys, CARD)

    card, code = _asked(issued())
    say(f"{card}  {name}, until {last_day}")
    say(code)


@ticket.command("settle")
def ticket_settle(
    ticket_id: TicketArgument,
    grant: Annotated[str | None, typer.Option("--grant", help="The grant, where several are of unknown outcome.")] = None,
    note: Annotated[
        str | None, typer.Option("--note", help="Why its entry is given back; without it they are only listed.")
    ] = None,
    site: SiteOption = DEMO_SITE,
    data: DataOption = DATA,
) -> None:
    """List a ticket's grants of unknown outcome; with a note, give the entry of one of them back."""

    async def settled() -> list[str]:
        async with _books(site, data) as books:
            unknown = await books.desk.unknown_grants(ticket_id)
            if note is None:
                zone = books.site.zone
                return [
                    f"  {one.grant_id}  {one.at.astimezone(zone):%Y-%m-%d %H:%M:%S}  {one.lane_id}  {one.detail}"
                    for one in unknown
                ]
            if grant is None and len(unknown) != 1:
                raise Invalid("grant", f"{len(unknown)} grants of this ticket are of unknown outcome; name one with --grant")
            standing = await books.desk.settle(ticket_id, grant or unknown[0].grant_id, _by(), note)
            return ["The ticket has that entry again.", *_told(standing)]

    for line in _asked(settled()) or ["No grant of this ticket is of unknown outcome."]:
        say(line)


@dataclass(frozen=True, slots=True)
class _Books:
    site: Site
    database: Database
    keys: SiteKeys
    desk: TicketDesk


@asynccontextmanager
async def _books(site_file: Path, data: Path) -> AsyncIterator[_Books]:
    site, where = load_site(site_file), places(data)
    await upgrade(where.database_url)
    clock, ids = SystemClock(), RandomIds()
    logging.getLogger("snowgate.sales").setLevel(logging.ERROR)  # what waits is said in the command's own words
    async with AsyncExitStack() as stack:
        database = Database(where.database_url)
        stack.push_async_callback(database.dispose)
        redis = connect(_redis_url(where))
        stack.push_async_callback(redis.aclose)
        ledger = RedisLedger(connect(_redis_url(where)), site_file.stem)
        stack.push_async_callback(ledger.close)
        publisher = RedisEntitlements(redis, site_file.stem, clock)
        relay = StaffRelay(database, publisher, ledger, JournalStream(redis, site_file.stem), _NoNews(), clock)
        keys = ensure_keys(where.key_file, clock.now().at)
        yield _Books(site, database, keys, TicketDesk(database, relay, site, clock, ids))


class _NoNews:
    """Gates are told by the open site itself, within a second."""

    async def tell(self, changes: Sequence[TicketChanged]) -> None:
        return


def _redis_url(where: Places) -> str:
    return where.redis_url or f"unix://{where.valkey_socket}"


def _change(site: Path, data: Path, ticket_id: str, status: TicketStatus, note: str) -> None:
    async def changed() -> TicketStanding:
        async with _books(site, data) as books:
            return await books.desk.change_status(ticket_id, status, _by(), note)

    standing = _asked(changed())
    say(f"The ticket is {standing.status}.")
    for line in _told(standing):
        say(line)


def _told(standing: TicketStanding) -> list[str]:
    return [] if standing.told else ["The lanes are told as soon as the site is open and its ledger answers."]


async def _find(books: _Books, which: str) -> StoredTicket:
    reading = examine_code(which, books.keys, SystemClock().now().at)
    ticket_id = reading.ticket_id if isinstance(reading, CodeReading) else which
    async with books.database.read() as connection:
        found = await find_ticket(connection, ticket_id)
    if found is None:
        # The text may be a code: it is not shown again.
        raise Invalid("ticket", "that is neither the id nor the code of a ticket that was sold here")
    return found


def _asked(work: Coroutine[Any, Any, T]) -> T:
    """The answer; what was asked wrongly is one sentence and exit code 2."""
    try:
        return asyncio.run(work)
    except (Invalid, NotFound) as error:
        print(f"snowgate: {error}", file=sys.stderr)
        raise typer.Exit(WRONG) from None


def _text(argument: str) -> str:
    return sys.stdin.readline().rstrip("\r\n") if argument == "-" else argument


def _time(text: str, site: Site) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("at", f"{text[:40]!a} is not a time such as 2027-01-08T09:30") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=site.zone)


def _by() -> str:
    """Whoever is logged in here."""
    return f"{pwd.getpwuid(os.getuid()).pw_name} (terminal)"
