"""Faces of tickets, by real models from real photographs on real SQL: consent, what is stored, and that it is deleted."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

from resort.errors import FacesUnavailable, Invalid, NotFound, WrongState
from resort.messages import FaceEnrolled, FaceForgotten
from sales.faces import FaceOffice
from storage.face_keys import FaceKeys
from storage.faces_sql import FaceStore
from storage.key_file import add_key, make_current, retire_key
from storage.tables import face_consents, faces, metadata, staff_orders
from tests.unit.sales.face_counter import Counter, jpeg, open_counter

ONE, TWO, SIX = jpeg("one_1"), jpeg("two"), jpeg("six")


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[Counter]:
    async with open_counter(f"sqlite:///{tmp_path}/snowgate.db", tmp_path) as counter:
        yield counter


async def test_a_face_is_enrolled_with_consent_and_the_gallery_learns_of_it(counter: Counter) -> None:
    ticket = await counter.sell()
    standing = await counter.enrol(ticket, ONE)
    assert standing.enrolled
    assert standing.advice == []
    assert [(consent.given_by, consent.ended_at) for consent in standing.consents] == [("holder", None)]
    assert set(counter.gallery.held) == {ticket}
    assert len(counter.gallery.held[ticket]) == 512
    assert (await counter.store.picture(ticket) or b"").startswith(b"\xff\xd8")
    (event,) = await counter.events()
    assert isinstance(event, FaceEnrolled)
    assert (event.ticket_id, event.by, event.origin) == (ticket, "anna", "window")


async def test_a_photograph_that_is_not_good_enough_gives_advice_and_leaves_nothing(counter: Counter) -> None:
    ticket = await counter.sell()
    standing = await counter.enrol(ticket, SIX)
    assert not standing.enrolled
    assert "several_faces" in [advice.fault for advice in standing.advice]
    assert all(advice.says.zh and advice.says.en for advice in standing.advice)
    assert standing.consents == []
    assert counter.gallery.held == {}
    assert await counter.events() == []


async def test_a_bad_photograph_leaves_the_former_face_as_it_was(counter: Counter) -> None:
    ticket = await counter.sell()
    await counter.enrol(ticket, ONE)
    standing = await counter.enrol(ticket, SIX)
    assert standing.enrolled
    assert standing.advice
    assert set(counter.gallery.held) == {ticket}


async def test_what_is_no_picture_is_refused_in_a_sentence(counter: Counter) -> None:
    with pytest.raises(Invalid):
        await counter.enrol(await counter.sell(), b"no picture")


async def test_enrolled_again_the_former_face_and_consent_are_replaced(counter: Counter) -> None:
    ticket = await counter.sell()
    await counter.enrol(ticket, ONE)
    before = counter.gallery.held[ticket]
    standing = await counter.enrol(ticket, TWO)
    assert counter.gallery.held[ticket] != before
    assert sorted(consent.reason or "" for consent in standing.consents) == ["", "replaced"]


@pytest.mark.parametrize("changes", [{"wording": "1999-01"}, {"age": "under_14"}])
async def test_other_words_or_a_child_without_guardian_are_refused(counter: Counter, changes: dict[str, Any]) -> None:
    ticket = await counter.sell()
    with pytest.raises((WrongState, Invalid)):
        await counter.enrol(ticket, ONE, **changes)
    assert not (await counter.office.standing(ticket)).enrolled


async def test_a_childs_ticket_needs_a_guardian_whatever_age_is_stated(counter: Counter) -> None:
    ticket = await counter.sell("child")
    with pytest.raises(Invalid, match="guardian"):
        await counter.enrol(ticket, ONE)
    standing = await counter.enrol(ticket, ONE, given_by="guardian", age="under_14")
    assert [consent.given_by for consent in standing.consents] == ["guardian"]


async def test_a_ticket_that_cannot_be_used_has_no_face_enrolled(counter: Counter) -> None:
    ticket = await counter.sell()
    with pytest.raises(NotFound):
        await counter.enrol("nobody", ONE)
    with pytest.raises(NotFound):
        await counter.enrol(ticket, ONE, channel="partner")
    await counter.shop.desk.change_status(ticket, "blocked", "anna", "lost")
    with pytest.raises(WrongState, match="blocked"):
        await counter.enrol(ticket, ONE)
    await counter.shop.desk.change_status(ticket, "active", "anna", "found")
    counter.clock.advance_ms(timedelta(days=1) / timedelta(milliseconds=1))
    with pytest.raises(WrongState, match="expired"):
        await counter.enrol(ticket, ONE)


@pytest.mark.parametrize("reason", ["withdrawn", "requested"])
async def test_a_face_is_deleted_on_request_and_the_evidence_stays(counter: Counter, reason: Any) -> None:
    ticket = await counter.sell()
    await counter.enrol(ticket, ONE)
    standing = await counter.office.forget(ticket, reason, "carl")
    assert not standing.enrolled
    assert [consent.reason for consent in standing.consents] == [reason]
    assert counter.gallery.held == {}
    assert await counter.store.picture(ticket) is None
    assert await counter.office.forget(ticket, reason, "carl") == standing
    forgotten = [event for event in await counter.events() if isinstance(event, FaceForgotten)]
    assert [(event.reason, event.by) for event in forgotten] == [(reason, "carl")]


@pytest.mark.parametrize("status", ["revoked", "refunded", "transferred"])
async def test_a_ticket_that_ended_loses_its_face_and_keeps_its_standing(counter: Counter, status: Any) -> None:
    ticket, other = await counter.sell(), await counter.sell()
    await counter.enrol(ticket, ONE)
    await counter.enrol(other, TWO)
    after = await counter.shop.desk.change_status(ticket, status, "anna", "why")
    assert await counter.office.sweep() == 1
    assert set(counter.gallery.held) == {other}
    assert [consent.reason for consent in (await counter.office.standing(ticket)).consents] == ["ticket_ended"]
    # What became of the face is no newer order about the ticket: a transfer still names its successor.
    assert (await counter.shop.desk.standing(ticket)).successor == after.successor
    assert await counter.office.sweep() == 0


async def test_a_ticket_that_expired_loses_its_face_after_its_last_day(counter: Counter) -> None:
    ticket = await counter.sell()
    await counter.enrol(ticket, ONE)
    assert await counter.office.sweep() == 0
    counter.clock.advance_ms(timedelta(days=1) / timedelta(milliseconds=1))
    assert await counter.office.sweep() == 1
    assert counter.gallery.held == {}
    assert [consent.reason for consent in (await counter.office.standing(ticket)).consents] == ["expired"]


async def test_opening_forgets_what_ended_while_the_site_was_closed(counter: Counter) -> None:
    ticket = await counter.sell()
    await counter.enrol(ticket, ONE)
    await counter.shop.desk.change_status(ticket, "revoked", "anna", "conduct")
    await counter.office.start()
    await counter.office.close()
    assert counter.gallery.held == {}


async def test_a_site_without_faces_enrols_nobody_and_still_forgets(counter: Counter) -> None:
    ticket = await counter.sell()
    await counter.enrol(ticket, ONE)
    site = msgspec.structs.replace(counter.shop.site, faces=None)
    plain = FaceOffice(counter.shop.db, counter.store, site, counter.clock, counter.office._ids)
    with pytest.raises(WrongState, match="without faces"):
        await replace(counter, office=plain).enrol(ticket, ONE)
    with pytest.raises(WrongState, match="without faces"):
        plain.wording()
    assert not (await plain.forget(ticket, "withdrawn", "anna")).enrolled


async def test_a_box_put_into_another_row_does_not_open(counter: Counter) -> None:
    mine, other = await counter.sell(), await counter.sell()
    await counter.enrol(mine, ONE)
    await counter.enrol(other, TWO)
    async with counter.shop.db.write() as connection:
        row = (await connection.execute(select(faces).where(faces.c.ticket_id == mine))).one()
        stolen = {"template": row.template, "picture": row.picture, "key_id": row.key_id}
        await connection.execute(update(faces).where(faces.c.ticket_id == other).values(**stolen))
    assert [(change.ticket_id, change.face is None) for change in await counter.store.after(0, 10)] == [
        (mine, False),
        (other, True),
    ]
    with pytest.raises(FacesUnavailable):
        await counter.store.picture(other)


async def test_faces_are_sealed_anew_and_the_old_key_goes_when_nobody_needs_it(counter: Counter) -> None:
    tickets = [await counter.sell() for _ in range(3)]
    for ticket in tickets:
        await counter.enrol(ticket, ONE)
    before = dict(counter.gallery.held)
    keys, at = counter.store.keys, counter.clock.now().at
    fresh = add_key(keys.path, at)
    make_current(keys.path, fresh, at)
    assert await counter.store.retire(1) == 3
    assert [await counter.store.seal_anew(2) for _ in range(3)] == [2, 1, 0]
    assert await counter.store.retire(1) == 0
    again = {change.ticket_id: change.face.vector for change in await counter.store.after(0, 10) if change.face is not None}
    assert again == before
    with pytest.raises(Invalid):
        keys.key(1)


async def test_without_their_key_faces_count_as_forgotten(counter: Counter, tmp_path: Path) -> None:
    await counter.enrol(await counter.sell(), ONE)
    keys = FaceKeys(tmp_path / "other.json")
    keys.ensure(counter.clock.now().at)
    (change,) = await FaceStore(counter.shop.db, keys).after(0, 10)
    assert change.face is None
    make_current(keys.path, add_key(keys.path, counter.clock.now().at), counter.clock.now().at)
    retire_key(keys.path, 1)
    (change,) = await FaceStore(counter.shop.db, keys).after(0, 10)
    assert change.face is None


async def test_versions_grow_and_who_knows_nothing_hears_of_no_deletions(counter: Counter) -> None:
    mine, other = await counter.sell(), await counter.sell()
    await asyncio.gather(counter.enrol(mine, ONE), counter.enrol(other, TWO))
    await counter.office.forget(mine, "withdrawn", "anna")
    assert [change.ticket_id for change in await counter.store.after(0, 10)] == [other]
    (last,) = await counter.store.after(2, 10)
    assert (last.version, last.ticket_id, last.face) == (3, mine, None)
    counter.clock.advance_ms(timedelta(days=31) / timedelta(milliseconds=1))
    await counter.office.sweep()
    assert counter.gallery.held == {}


async def test_nothing_of_a_face_is_anywhere_in_the_clear(
    counter: Counter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ticket = await counter.sell()
    standing = await counter.enrol(ticket, ONE)
    measured = await counter.reader.measure(ONE)
    assert measured.vector is not None
    assert measured.picture is not None
    assert counter.gallery.held[ticket] == measured.vector  # these very bytes are what must be nowhere
    secrets = _pieces([measured.vector, measured.picture, ONE])
    texts = [repr(measured), repr(standing), msgspec.json.encode(standing).decode(), caplog.text]
    texts += [msgspec.json.encode(event).decode() for event in await counter.events()]
    texts += [repr(change) for change in await counter.store.after(0, 10)]
    assert not any(secret.hex() in text or repr(secret)[2:-1] in text for secret in secrets for text in texts)
    async with counter.shop.db.read() as connection:
        for table in metadata.sorted_tables:
            for row in await connection.execute(select(table)):
                assert not any(secret in value for secret in secrets for value in row if isinstance(value, bytes)), table.name
    files = [path.read_bytes() for path in database_files(tmp_path)]
    assert len(files) >= 2, "the WAL is there to be looked into"
    assert not any(secret in content for secret in secrets for content in files)
    assert any(ticket.encode() in content for content in files), "the search can find something"


def database_files(folder: Path) -> list[Path]:
    """The database and what SQLite keeps beside it."""
    return [path for path in folder.iterdir() if path.name.startswith("snowgate.db")]


def _pieces(contents: Sequence[bytes]) -> list[bytes]:
    """Parts from within each content, too long to be there by chance, so that a copy cut by pages is found, too."""
    return [content[start : start + 16] for content in contents for start in range(64, len(content) - 16, 97)]


async def checkpoint(counter: Counter) -> None:
    """Have SQLite move all of its log into the database file."""
    async with counter.shop.db._engine.connect() as connection:
        await connection.exec_driver_sql("COMMIT")
        await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        await connection.exec_driver_sql("BEGIN")


async def test_a_deleted_box_is_overwritten_in_the_file(counter: Counter, tmp_path: Path) -> None:
    ticket = await counter.sell()
    await counter.enrol(ticket, ONE)
    async with counter.shop.db.read() as connection:
        box = (await connection.execute(select(faces.c.template).where(faces.c.ticket_id == ticket))).scalar_one()
    await checkpoint(counter)
    assert box[:64] in (tmp_path / "snowgate.db").read_bytes()
    async with counter.shop.db.write() as connection:
        await connection.exec_driver_sql("PRAGMA secure_delete=OFF")  # some builds of SQLite have it on by themselves
    await counter.office.forget(ticket, "withdrawn", "anna")
    await checkpoint(counter)
    assert box[:64] not in (tmp_path / "snowgate.db").read_bytes()


async def test_evidence_names_the_words_and_holds_nothing_of_the_face(counter: Counter) -> None:
    ticket = await counter.sell()
    await counter.enrol(ticket, ONE)
    await counter.office.forget(ticket, "withdrawn", "anna")
    async with counter.shop.db.read() as connection:
        row = (await connection.execute(select(face_consents))).one()
        told = (await connection.execute(select(staff_orders.c.ticket_id))).scalars().all()
    assert row.wording_digest == counter.office.wording().digest
    assert (row.recorded_by, row.ended_by, row.reason) == ("anna", "anna", "withdrawn")
    assert told == [None, None]
    assert not any(isinstance(value, bytes) for value in row)
