"""Enrolled faces in SQL, sealed, with the consents they rest on and the one sequence of changes that galleries follow.

Decides nothing: `sales/faces.py` does. Boxes are opened only for galleries (`after`) and for staff who compare (`picture`).
Every change takes the next version while it holds the row of `face_version`, so that versions appear in their order and a
reader who goes on after the last one misses none.
"""

import logging
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Row, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from resort.access.entitlement import TicketStatus
from resort.errors import FacesUnavailable, Invalid, InvalidConfig
from resort.faces import ConsentGiver, FaceChange, FaceOrigin, ForgetReason, StoredFace
from resort.ids import TicketId
from storage.database import Database, insert_into
from storage.face_box import seal, unseal
from storage.face_keys import FaceKeys
from storage.key_file import retire_key
from storage.tables import face_changes, face_consents, face_version, faces, tickets

ENDED: tuple[TicketStatus, ...] = ("revoked", "refunded", "transferred")
TOMBSTONES_FOR = timedelta(days=30)  # a gallery that heard nothing for so long was made anew long ago
_ROW = 1  # the only row of `face_version`
_log = logging.getLogger("snowgate.faces")


class SealedFace(msgspec.Struct, frozen=True, kw_only=True):
    """A face as it is put into the store."""

    ticket_id: TicketId
    model_id: str
    vector: bytes
    picture: bytes
    valid_on: date
    valid_until: date
    places: tuple[str, ...]
    origin: FaceOrigin
    enrolled_at: datetime

    def __repr__(self) -> str:
        return f"SealedFace({self.ticket_id}, {self.model_id})"


class StoredConsent(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence of a consent, and of its end."""

    consent_id: str
    wording: str
    wording_digest: str
    given_by: ConsentGiver
    given_at: datetime
    origin: FaceOrigin
    recorded_by: str
    ended_at: datetime | None = None
    ended_by: str | None = None
    reason: ForgetReason | None = None


class FaceRow(msgspec.Struct, frozen=True):
    """What may be told of an enrolled face: nothing of the face itself."""

    model_id: str
    origin: FaceOrigin
    enrolled_at: datetime
    valid_on: date
    valid_until: date


class FaceStore:
    """The port `FaceChanges`, and what the use cases need. Methods that take a connection work within the caller's unit."""

    def __init__(self, db: Database, keys: FaceKeys) -> None:
        self._db = db
        self.keys = keys
        self._unopened: set[tuple[TicketId, int]] = set()  # said in the log once each

    async def after(self, version: int, limit: int) -> Sequence[FaceChange]:
        """See the port. A face that cannot be opened counts as forgotten. Raises DatabaseUnavailable."""
        rows = await self._changes(version, limit)
        changes = [self._change(row) for row in rows]
        if any(change.face is None and row.template is not None for row, change in zip(rows, changes, strict=True)):
            # Perhaps its key was retired between reading and opening; then it stands there sealed anew.
            rows = await self._changes(version, limit)
            changes = [self._change(row, say=True) for row in rows]
        return changes

    async def picture(self, ticket_id: TicketId) -> bytes | None:
        """The small JPEG for staff who compare; None: no face is enrolled. Raises DatabaseUnavailable,
        FacesUnavailable (it does not open)."""
        query = select(faces.c.key_id, faces.c.model_id, faces.c.picture).where(faces.c.ticket_id == ticket_id)
        async with self._db.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return None
        try:
            return unseal(self.keys.key(row.key_id), row.picture, row.key_id, ticket_id, row.model_id, "picture")
        except Invalid as error:
            raise FacesUnavailable("The enrolled picture", error.problem) from None

    async def put(self, connection: AsyncConnection, face: SealedFace, consent: StoredConsent) -> int:
        """Store a face in place of the ticket's former one, whose consent ends as replaced; answers the version."""
        await self._wipe(connection)
        version = await _next_version(connection, face.ticket_id, face.enrolled_at)
        key_id, key = self.keys.current()  # under the lock: a rotation has not begun, or is seen
        place = (key_id, face.ticket_id, face.model_id)
        values = {
            "key_id": key_id,
            "model_id": face.model_id,
            "template": seal(key, face.vector, *place, "template"),
            "picture": seal(key, face.picture, *place, "picture"),
            "valid_on": face.valid_on,
            "valid_until": face.valid_until,
            "places": msgspec.json.encode(face.places).decode(),
            "origin": face.origin,
            "enrolled_at": face.enrolled_at,
        }
        statement = insert_into(connection, faces).values(ticket_id=face.ticket_id, **values)
        await connection.execute(statement.on_conflict_do_update(index_elements=["ticket_id"], set_=values))
        await _end_consent(connection, face.ticket_id, face.enrolled_at, consent.recorded_by, "replaced")
        await connection.execute(insert(face_consents).values(ticket_id=face.ticket_id, **msgspec.structs.asdict(consent)))
        return version

    async def forget(
        self, connection: AsyncConnection, ticket_id: TicketId, at: datetime, by: str, reason: ForgetReason
    ) -> bool:
        """Delete a face and end its consent; False when there is none."""
        await self._wipe(connection)
        done = await connection.execute(delete(faces).where(faces.c.ticket_id == ticket_id))
        if done.rowcount == 0:
            return False
        await _next_version(connection, ticket_id, at)
        await _end_consent(connection, ticket_id, at, by, reason)
        return True

    async def seal_anew(self, most: int) -> int:
        """Seal up to `most` faces that are not under the current key with it; answers how many. Galleries need not know.
        Raises Invalid when one does not open: it stays as it is."""
        async with self._db.write() as connection:
            await self._wipe(connection)
            await _lock(connection)
            current, key = self.keys.current()
            query = select(faces).where(faces.c.key_id != current).order_by(faces.c.ticket_id).limit(most)
            rows = (await connection.execute(query)).all()
            for row in rows:
                before, after = (row.key_id, row.ticket_id, row.model_id), (current, row.ticket_id, row.model_id)
                old = self.keys.key(row.key_id)
                template = seal(key, unseal(old, row.template, *before, "template"), *after, "template")
                picture = seal(key, unseal(old, row.picture, *before, "picture"), *after, "picture")
                await connection.execute(
                    update(faces)
                    .where(faces.c.ticket_id == row.ticket_id)
                    .values(key_id=current, template=template, picture=picture)
                )
        return len(rows)

    async def retire(self, key_id: int) -> int:
        """Throw a key away that no face needs; answers how many still need it (0: it is gone). Raises NotFound, WrongState."""
        async with self._db.write() as connection:
            await _lock(connection)
            query = select(func.count()).select_from(faces).where(faces.c.key_id == key_id)
            needed = int(await connection.scalar(query) or 0)
            if needed == 0:
                retire_key(self.keys.path, key_id)
        return needed

    async def _changes(self, version: int, limit: int) -> list[Row[Any]]:
        columns = (
            face_changes.c.version, face_changes.c.ticket_id, faces.c.key_id, faces.c.model_id, faces.c.template,
            faces.c.valid_on, faces.c.valid_until, faces.c.places,
        )  # fmt: skip
        joined = face_changes.outerjoin(faces, faces.c.ticket_id == face_changes.c.ticket_id)
        query = select(*columns).select_from(joined).where(face_changes.c.version > version)
        if version == 0:
            query = query.where(faces.c.ticket_id.is_not(None))  # who knows nothing has nothing to forget
        async with self._db.read() as connection:
            return list(await connection.execute(query.order_by(face_changes.c.version).limit(limit)))

    def _change(self, row: Row[Any], say: bool = False) -> FaceChange:
        ticket_id = TicketId(row.ticket_id)
        if row.template is None:
            return FaceChange(row.version, ticket_id)
        try:
            vector = unseal(self.keys.key(row.key_id), row.template, row.key_id, ticket_id, row.model_id, "template")
        except (Invalid, InvalidConfig) as error:
            if say and (ticket_id, row.version) not in self._unopened:
                self._unopened.add((ticket_id, row.version))
                _log.error("a stored face cannot be used, its ticket goes on without: %s", error)
            return FaceChange(row.version, ticket_id)
        face = StoredFace(
            ticket_id=ticket_id,
            model_id=row.model_id,
            vector=vector,
            valid_on=row.valid_on,
            valid_until=row.valid_until,
            places=msgspec.json.decode(row.places, type=tuple[str, ...]),
        )
        return FaceChange(row.version, ticket_id, face)

    async def _wipe(self, connection: AsyncConnection) -> None:
        """What is deleted or replaced in this unit is overwritten in SQLite's file, not only let go of."""
        if self._db.is_sqlite:
            await connection.exec_driver_sql("PRAGMA secure_delete=ON")


async def find_face(connection: AsyncConnection, ticket_id: str) -> FaceRow | None:
    """What may be told of a ticket's face; None: none is enrolled."""
    columns = (faces.c.model_id, faces.c.origin, faces.c.enrolled_at, faces.c.valid_on, faces.c.valid_until)
    row = (await connection.execute(select(*columns).where(faces.c.ticket_id == ticket_id))).first()
    return FaceRow(*row) if row is not None else None


async def consents_of(connection: AsyncConnection, ticket_id: str) -> list[StoredConsent]:
    """Every consent that was given for a ticket, oldest first."""
    columns = [column for column in face_consents.c if column.name != "ticket_id"]
    query = select(*columns).where(face_consents.c.ticket_id == ticket_id)
    rows = await connection.execute(query.order_by(face_consents.c.given_at, face_consents.c.consent_id))
    return [StoredConsent(**row._mapping) for row in rows]


async def faces_that_end(connection: AsyncConnection, today: date, limit: int) -> list[tuple[TicketId, ForgetReason]]:
    """Faces of tickets that cannot be used any more, and why."""
    joined = faces.join(tickets, tickets.c.ticket_id == faces.c.ticket_id)
    over = or_(faces.c.valid_until < today, tickets.c.status.in_(ENDED))
    query = select(faces.c.ticket_id, tickets.c.status).select_from(joined).where(over).limit(limit)
    rows = await connection.execute(query)
    return [(TicketId(row.ticket_id), "ticket_ended" if row.status in ENDED else "expired") for row in rows]


async def clear_tombstones(connection: AsyncConnection, now: datetime) -> None:
    """Drop what galleries have long learnt: that a face is gone."""
    enrolled = select(faces.c.ticket_id)
    old = face_changes.c.at < now - TOMBSTONES_FOR
    await connection.execute(delete(face_changes).where(old, face_changes.c.ticket_id.not_in(enrolled)))


async def _lock(connection: AsyncConnection) -> None:
    """Nobody else changes a face until this unit ends."""
    statement = insert_into(connection, face_version).values(id=_ROW, last=0)
    await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"last": face_version.c.last}))


async def _next_version(connection: AsyncConnection, ticket_id: TicketId, at: datetime) -> int:
    await _lock(connection)
    await connection.execute(update(face_version).values(last=face_version.c.last + 1))
    version = int(await connection.scalar(select(face_version.c.last)) or 0)
    values = {"version": version, "at": at}
    statement = insert_into(connection, face_changes).values(ticket_id=ticket_id, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["ticket_id"], set_=values))
    return version


async def _end_consent(connection: AsyncConnection, ticket_id: TicketId, at: datetime, by: str, reason: ForgetReason) -> None:
    await connection.execute(
        update(face_consents)
        .where(face_consents.c.ticket_id == ticket_id, face_consents.c.ended_at.is_(None))
        .values(ended_at=at, ended_by=by, reason=reason)
    )
