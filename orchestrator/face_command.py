"""`snowgate face …`: enrol a face from a file, say how it stands, delete it; and the keys under which faces are stored.

Works on the data folder, whether the site is open or closed. Photographs are read in this process; an open site's galleries
follow within seconds. Prints nothing of a face and nothing of a key.
"""

import asyncio
import os
import pwd
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import typer

from orchestrator.faces import face_store
from orchestrator.keys import described
from orchestrator.local_faces import LocalReader
from orchestrator.options import DATA, DEMO_SITE, DataOption, SiteOption
from orchestrator.run import say
from orchestrator.settings import Places, load_site, places
from resort.clock import SystemClock
from resort.errors import Invalid, NotFound, SnowgateError
from resort.face_consent import AgeBand
from resort.faces import ConsentGiver, FaceOrigin
from resort.ids import RandomIds
from sales.faces import FaceAsk, FaceOffice, FaceStanding
from storage.database import Database
from storage.faces_sql import FaceStore
from storage.key_file import add_key, ensure_keys, key_standings, make_current
from storage.migrate import upgrade

BATCH = 100  # faces sealed anew in one unit: a tenth of a second, in which nobody else writes
MOST_BYTES = 32 * 1024 * 1024
WRONG = 2
T = TypeVar("T")

face = typer.Typer(help="Faces of tickets: enrolment with consent, deletion, keys.", no_args_is_help=True)
face_keys = typer.Typer(help="Keys under which faces are stored.", no_args_is_help=True)
face.add_typer(face_keys, name="keys")

TicketArgument = Annotated[str, typer.Argument(metavar="TICKET", help="The ticket's id.")]


@face.command("wording")
def face_wording(site: SiteOption = DEMO_SITE, data: DataOption = DATA) -> None:
    """Print the words that have to be shown and agreed to, with their version."""

    async def found() -> list[str]:
        async with _office(site, data) as (office, _):
            wording = office.wording()
        return [
            f"version {wording.version}", wording.text.zh, wording.guardian.zh, wording.text.en, wording.guardian.en
        ]  # fmt: skip

    for line in _asked(found()):
        say(line)


@face.command("enrol")
def face_enrol(
    ticket_id: TicketArgument,
    picture: Annotated[Path, typer.Argument(help="A JPEG or PNG of the holder.")],
    wording: Annotated[str, typer.Option("--wording", help="Version of the words that the holder agreed to.")],
    given_by: Annotated[str, typer.Option("--given-by", help="Who agreed: holder or guardian.")],
    age: Annotated[str, typer.Option("--age", help="The holder's: under_14 or 14_or_over.")],
    origin: Annotated[str, typer.Option("--origin", help="Where it was taken: upload, kiosk or window.")] = "window",
    site: SiteOption = DEMO_SITE,
    data: DataOption = DATA,
) -> None:
    """Enrol the holder's face from a photograph, with consent. The photograph itself is not kept."""

    async def enrolled() -> FaceStanding:
        ask = FaceAsk(
            ticket_id=ticket_id,
            picture=_content(picture),
            wording=wording,
            given_by=_one_of("given-by", given_by, ConsentGiver),
            age=_one_of("age", age, AgeBand),
            origin=_one_of("origin", origin, FaceOrigin),
            by=_by(),
        )
        async with _office(site, data, reads=True) as (office, _):
            return await office.enrol(ask)

    standing = _asked(enrolled())
    if standing.advice:
        say("Nothing was stored; take another picture:")
        for advice in standing.advice:
            say(f"  {advice.says.zh} · {advice.says.en}")
        raise typer.Exit(1)
    _show(standing)


@face.command("show")
def face_show(ticket_id: TicketArgument, site: SiteOption = DEMO_SITE, data: DataOption = DATA) -> None:
    """Say whether a face is enrolled for a ticket, and who agreed to what."""

    async def found() -> FaceStanding:
        async with _office(site, data) as (office, _):
            return await office.standing(ticket_id)

    _show(_asked(found()))


@face.command("forget")
def face_forget(
    ticket_id: TicketArgument,
    requested: Annotated[bool, typer.Option("--requested", help="Somebody else than the holder asked for it.")] = False,
    site: SiteOption = DEMO_SITE,
    data: DataOption = DATA,
) -> None:
    """Delete a ticket's face: consent was withdrawn, or somebody asked for it."""

    async def forgotten() -> FaceStanding:
        async with _office(site, data) as (office, _):
            return await office.forget(ticket_id, "requested" if requested else "withdrawn", _by())

    _show(_asked(forgotten()))


@face_keys.command("list")
def face_key_list(data: DataOption = DATA) -> None:
    """Ids and times of the keys; never a key."""
    where = places(data)
    ensure_keys(where.face_keys, SystemClock().now().at)
    for standing in key_standings(where.face_keys):
        say(described(standing).replace("signs", "seals").replace("signed", "sealed").replace("accepted", "opens"))


@face_keys.command("rotate")
def face_key_rotate(site: SiteOption = DEMO_SITE, data: DataOption = DATA) -> None:
    """Seal every face under a new key and throw the old ones away: old copies of the database cannot be read then."""

    async def rotated() -> tuple[int, int]:
        async with _office(site, data) as (_, store):
            return await rotate(places(data), store)

    key_id, sealed = _asked(rotated())
    say(f"Key {key_id} seals from now on; {sealed} faces were sealed anew, and the older keys are gone.")


async def rotate(where: Places, store: FaceStore) -> tuple[int, int]:
    """A new key; every face sealed with it, in batches; then the older keys retired. Cut off, the next call goes on.
    Answers the key's id and how many faces were sealed anew."""
    at = SystemClock().now().at
    ensure_keys(where.face_keys, at)
    key_id = add_key(where.face_keys, at)
    make_current(where.face_keys, key_id, at)
    sealed = 0
    while batch := await store.seal_anew(BATCH):
        sealed += batch
    for standing in key_standings(where.face_keys):
        if not standing.current:
            await store.retire(standing.key_id)
    return key_id, sealed


@asynccontextmanager
async def _office(site_file: Path, data: Path, reads: bool = False) -> AsyncIterator[tuple[FaceOffice, FaceStore]]:
    """The use cases on a data folder; with the models where photographs are read."""
    site, where, clock = load_site(site_file), places(data), SystemClock()
    await upgrade(where.database_url)
    database = Database(where.database_url)
    reader = None
    try:
        store = face_store(site, database, where.face_keys, clock)
        reader = await LocalReader.open(clock) if reads and site.faces is not None else None
        yield FaceOffice(database, store, site, clock, RandomIds(), reader), store
    finally:
        if reader is not None:
            await reader.close()
        await database.dispose()


def _show(standing: FaceStanding) -> None:
    if standing.enrolled:
        of = f"{standing.origin}, {standing.model_id}"
        say(f"ticket {standing.ticket_id}: a face is enrolled ({of}) until {standing.valid_until}")
    else:
        say(f"ticket {standing.ticket_id}: no face is enrolled")
    for consent in standing.consents:
        end = f"; ended {consent.ended_at:%Y-%m-%d %H:%M} UTC ({consent.reason})" if consent.ended_at is not None else ""
        say(f"  {consent.given_at:%Y-%m-%d %H:%M} UTC the {consent.given_by} agreed to wording {consent.wording}{end}")


def _asked(question: Coroutine[Any, Any, T]) -> T:
    """The answer; what makes no sense is one sentence and exit 2."""
    try:
        return asyncio.run(question)
    except (Invalid, NotFound) as error:
        print(f"snowgate: {error}", file=sys.stderr)
        raise typer.Exit(WRONG) from None
    except SnowgateError as error:
        print(f"snowgate: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def _content(picture: Path) -> bytes:
    try:
        if picture.stat().st_size > MOST_BYTES:
            raise Invalid("picture", f"it is larger than {MOST_BYTES // 1024 // 1024} MiB")
        return picture.read_bytes()
    except OSError as error:
        raise Invalid("picture", f"{picture.name!a} cannot be read ({error.strerror})") from None


def _one_of(name: str, value: str, literal: Any) -> Any:
    if value not in get_args(literal):
        raise Invalid(name, f"must be one of {', '.join(get_args(literal))}")
    return value


def _by() -> str:
    """Whoever is logged in here."""
    return f"{pwd.getpwuid(os.getuid()).pw_name} (terminal)"
