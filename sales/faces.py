"""Faces of tickets: enrol with consent, tell how it stands, forget on request, and forget by itself what is over.

SQL first, in one unit with what the journal has to be told; then the galleries. A face that was forgotten is gone from SQL when
the call returns, and from galleries when these were told or, where they cannot be reached, looked again by themselves within
seconds. Nothing is kept of a photograph that is not good enough. No picture and no vector is in any answer, error, event or
log.
"""

import logging
from datetime import date, datetime
from typing import Any, Protocol

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from resort.access.service_day import site_day
from resort.access.ticket_status import check_by
from resort.clock import Clock
from resort.errors import Bug, NotFound, Unavailable, WrongState
from resort.face_consent import AgeBand, ConsentWording, check_consent
from resort.face_quality import FACE_ADVICE, FaceFault
from resort.faces import ConsentGiver, FaceMeasured, FaceNews, FaceOrigin, ForgetReason
from resort.ids import EventId, GateId, IdSource, LaneId, TicketId
from resort.messages import FaceEnrolled, FaceForgotten
from resort.site import FacesSite, Site
from resort.texts import Text
from storage.database import Database
from storage.faces_sql import (
    FaceRow,
    FaceStore,
    SealedFace,
    StoredConsent,
    clear_tombstones,
    consents_of,
    faces_that_end,
    find_face,
)
from storage.orders_sql import StoredTicket
from storage.rounds import Rounds
from storage.tables import orders
from storage.tickets_sql import insert_order_of_staff, lock_ticket

SWEEP_S = 5.0  # with a gallery's own look, which is as often, well within the 60 s that are promised
BATCH = 200
SYSTEM = "snowgate"  # who forgets what is over
_log = logging.getLogger("snowgate.sales")


class FaceMeasuring(Protocol):
    """The part of `resort.faces.FacePool` that enrolment needs."""

    async def measure(self, picture: bytes) -> FaceMeasured:
        """See there. Raises FacesUnavailable, Busy, Invalid."""
        ...


class FaceAsk(msgspec.Struct, frozen=True, kw_only=True):
    """An enrolment: who agreed to which words, and where the picture (JPEG or PNG) comes from."""

    ticket_id: str
    picture: bytes
    wording: str
    given_by: ConsentGiver
    age: AgeBand
    origin: FaceOrigin
    by: str  # the account or sales channel that sends it
    channel: str | None = None  # None: staff, who may enrol for every ticket

    def __repr__(self) -> str:
        return f"FaceAsk({self.ticket_id}, {self.origin})"


class FaceAdvice(msgspec.Struct, frozen=True):
    """What is wrong with a photograph (`resort.face_quality.FaceFault`), and what to do better."""

    fault: str
    says: Text


class ConsentView(msgspec.Struct, frozen=True, kw_only=True):
    """A consent, with its end where it has ended."""

    wording: str
    given_by: ConsentGiver
    given_at: datetime
    ended_at: datetime | None
    reason: ForgetReason | None


class FaceStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with a ticket's face. It tells nothing of the face itself.

    `advice`: the photograph just sent is not good enough for these reasons, and nothing of it was stored.
    """

    ticket_id: TicketId
    enrolled: bool
    model_id: str | None = None
    origin: FaceOrigin | None = None
    enrolled_at: datetime | None = None
    valid_on: date | None = None
    valid_until: date | None = None  # deleted after that day at the latest
    consents: list[ConsentView] = []
    advice: list[FaceAdvice] = []


class FaceOffice:
    """Use cases. Every method may raise DatabaseUnavailable besides what it says; repeat it then.

    Without `pool` or `site.faces` nobody is enrolled, and what is stored is still told and forgotten. `start` forgets at once
    what is over, and then every `SWEEP_S`; `close` ends that.
    """

    def __init__(
        self,
        db: Database,
        store: FaceStore,
        site: Site,
        clock: Clock,
        ids: IdSource,
        pool: FaceMeasuring | None = None,
        news: FaceNews | None = None,
    ) -> None:
        self._db = db
        self._store = store
        self._site = site
        self._clock = clock
        self._ids = ids
        self._pool = pool
        self._news = news
        self._away = False
        self._rounds = Rounds("faces that are over", self.try_sweep, SWEEP_S)

    async def start(self) -> None:
        """Forget what ended while the site was closed, then go on doing so; idempotent."""
        await self.try_sweep()
        self._rounds.start()

    async def close(self) -> None:
        """Finish the round under way and stop; idempotent."""
        await self._rounds.close()

    def wording(self) -> ConsentWording:
        """What has to be shown before anybody is enrolled. Raises WrongState on a site without faces."""
        return self._faces().consent

    async def enrol(self, ask: FaceAsk) -> FaceStanding:
        """Store the face of a ticket's holder, in place of a former one.

        Raises NotFound, WrongState (the ticket cannot be used, or is for several persons; other words were shown), Invalid
        (a guardian is needed; no picture), Busy, FacesUnavailable.
        """
        site = self._faces()
        if self._pool is None:
            raise WrongState("site", "without faces", "enrol one")
        by = check_by(ask.by)
        async with self._db.read() as connection:
            self._check_usable(await _existing(connection, ask.ticket_id, ask.channel), ask, site)
        measured = await self._pool.measure(ask.picture)
        if measured.faults:
            return msgspec.structs.replace(await self.standing(ask.ticket_id, ask.channel), advice=_advice(measured))
        if measured.vector is None or measured.picture is None:
            raise Bug("a photograph without faults was measured without a face")
        async with self._db.write() as connection:
            # Again, and locked: it may have been revoked while the photograph was read.
            ticket = await _existing(connection, ask.ticket_id, ask.channel)
            self._check_usable(ticket, ask, site)
            await self._put(connection, ticket, ask, measured, site.consent, by)
        await self._tell()
        return await self.standing(ask.ticket_id, ask.channel)

    async def standing(self, ticket_id: str, channel: str | None = None) -> FaceStanding:
        """How it stands. Raises NotFound, also for another channel's ticket."""
        async with self._db.read() as connection:
            ticket = await _existing(connection, ticket_id, channel)
            face = await find_face(connection, ticket.ticket_id)
            consents = await consents_of(connection, ticket.ticket_id)
        return _standing(ticket.ticket_id, face, consents)

    async def forget(self, ticket_id: str, reason: ForgetReason, by: str, channel: str | None = None) -> FaceStanding:
        """Delete a ticket's face: consent was withdrawn, or somebody asked for it. Asking again changes nothing.
        Raises NotFound."""
        by = check_by(by)
        async with self._db.write() as connection:
            ticket = await _existing(connection, ticket_id, channel)
            await self._forget(connection, ticket.ticket_id, reason, by)
        await self._tell()  # also when it was gone before: perhaps a gallery was not reached then
        return await self.standing(ticket_id, channel)

    async def sweep(self) -> int:
        """Forget the faces of tickets that expired, or were revoked, refunded or transferred; answers how many."""
        now = self._clock.now().at
        today = site_day(now, self._site)
        forgotten = 0
        while True:
            async with self._db.read() as connection:
                over = await faces_that_end(connection, today, BATCH)
            if not over:
                break
            async with self._db.write() as connection:
                # Only those that are still over: somebody may have enrolled or forgotten meanwhile.
                for ticket_id, reason in await faces_that_end(connection, today, BATCH):
                    forgotten += await self._forget(connection, ticket_id, reason, SYSTEM)
        if forgotten:
            await self._tell()
        async with self._db.write() as connection:
            await clear_tombstones(connection, now)
        return forgotten

    async def try_sweep(self) -> None:
        """Sweep, or leave it to the next time; logs edges only."""
        try:
            await self.sweep()
        except Unavailable as error:
            if not self._away:
                _log.warning("faces that are over wait to be forgotten: %s", error)
            self._away = True
        except Exception:
            _log.exception("faces that are over could not be forgotten")
        else:
            if self._away:
                _log.info("faces that are over are forgotten again")
            self._away = False

    # ---- within a unit

    def _faces(self) -> FacesSite:
        if self._site.faces is None:
            raise WrongState("site", "without faces", "enrol one")
        return self._site.faces

    def _check_usable(self, ticket: StoredTicket, ask: FaceAsk, site: FacesSite) -> None:
        allowed = ticket.entitlement
        today = site_day(self._clock.now().at, self._site)
        if allowed.status != "active":
            raise WrongState("ticket", allowed.status, "have a face enrolled")
        if (allowed.valid_until or allowed.valid_on) < today:
            raise WrongState("ticket", "expired", "have a face enrolled")
        if allowed.party > 1:
            raise WrongState("ticket", f"for {allowed.party} persons", "have one person's face enrolled; they show its code")
        check_consent(site.consent, ask.wording, ask.given_by, ask.age, allowed.unit, site.guarded_units)

    async def _put(
        self,
        connection: AsyncConnection,
        ticket: StoredTicket,
        ask: FaceAsk,
        measured: FaceMeasured,
        wording: ConsentWording,
        by: str,
    ) -> None:
        allowed, now = ticket.entitlement, self._clock.now().at
        assert measured.vector is not None
        assert measured.picture is not None
        face = SealedFace(
            ticket_id=ticket.ticket_id,
            model_id=measured.model_id,
            vector=measured.vector,
            picture=measured.picture,
            valid_on=allowed.valid_on,
            valid_until=allowed.valid_until or allowed.valid_on,
            places=tuple(place.place for place in allowed.places),
            origin=ask.origin,
            enrolled_at=now,
        )
        consent = StoredConsent(
            consent_id=self._ids.new("consent"),
            wording=wording.version,
            wording_digest=wording.digest,
            given_by=ask.given_by,
            given_at=now,
            origin=ask.origin,
            recorded_by=by,
        )
        await self._store.put(connection, face, consent)
        enrolled = FaceEnrolled(
            **self._head(by),
            ticket_id=ticket.ticket_id,
            origin=ask.origin,
            model_id=measured.model_id,
            wording=wording.version,
            given_by=ask.given_by,
            by=by,
        )
        await insert_order_of_staff(connection, enrolled)

    async def _forget(self, connection: AsyncConnection, ticket_id: TicketId, reason: ForgetReason, by: str) -> bool:
        if not await self._store.forget(connection, ticket_id, self._clock.now().at, by, reason):
            return False
        forgotten = FaceForgotten(**self._head(by), ticket_id=ticket_id, reason=reason, by=by)
        await insert_order_of_staff(connection, forgotten)
        return True

    def _head(self, by: str) -> dict[str, Any]:
        return {
            "event_id": EventId(self._ids.new("face")),
            "caused_by": by,
            "at": self._clock.now().at,
            "gate_id": GateId(""),
            "lane_id": LaneId(""),
        }

    async def _tell(self) -> None:
        if self._news is not None:
            await self._news.tell()


async def _existing(connection: AsyncConnection, ticket_id: str, channel: str | None) -> StoredTicket:
    """The ticket, locked in a unit that writes. Raises NotFound, also when another channel sold it."""
    plain = 0 < len(ticket_id) <= 64 and ticket_id.isascii() and ticket_id.isprintable()
    ticket = await lock_ticket(connection, ticket_id) if plain else None
    if ticket is not None and channel is not None:
        sold_by = await connection.scalar(select(orders.c.channel).where(orders.c.order_id == ticket.order_id))
        if sold_by != channel:
            ticket = None
    if ticket is None:
        raise NotFound("ticket", ascii(ticket_id[:64]).strip("'"))
    return ticket


def _standing(ticket_id: TicketId, face: FaceRow | None, consents: list[StoredConsent]) -> FaceStanding:
    views = [
        ConsentView(
            wording=consent.wording,
            given_by=consent.given_by,
            given_at=consent.given_at,
            ended_at=consent.ended_at,
            reason=consent.reason,
        )
        for consent in consents
    ]
    if face is None:
        return FaceStanding(ticket_id=ticket_id, enrolled=False, consents=views)
    return FaceStanding(ticket_id=ticket_id, enrolled=True, consents=views, **msgspec.structs.asdict(face))


def _advice(measured: FaceMeasured) -> list[FaceAdvice]:
    return [FaceAdvice(fault, FACE_ADVICE[FaceFault(fault)]) for fault in measured.faults]
