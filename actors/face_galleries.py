"""The faces of one shard: today's holders by where their tickets are valid, and who comes on a later day.

Takes changes, answers likenesses; reads nothing by itself (`actors/gallery_follower.py` does) and knows no clock. Vectors are
in memory only. Not safe for several threads at once.
"""

import logging
from collections.abc import Sequence
from datetime import date

import msgspec

from actors.face_messages import ShardRanking, face_shard
from ml_models.face_embedder import Vector, cosine, unpacked
from ml_models.face_gallery import Gallery
from resort.errors import Invalid
from resort.face_rules import merged
from resort.faces import FaceChange, StoredFace
from resort.ids import GateId, TicketId
from resort.site import Site

Places = frozenset[str]  # gates, zones and lifts; none: the whole site

_log = logging.getLogger("snowgate.inference")


class _Held(msgspec.Struct, frozen=True):
    """Where a holder's vector is, and until when."""

    places: Places
    valid_until: date


class FaceGalleries:
    """Shard `shard` of `shards` on the service day `day`. Holders are tickets.

    Tickets that cover the same places share a gallery, so that each face is held once and a gate searches only those who may
    pass at it. Who is forgotten is gone when `take` returns.
    """

    def __init__(self, site: Site, shard: int, shards: int, model_id: str, day: date) -> None:
        self.day = day
        self.version = 0  # of the last change taken
        self.foreign = 0  # faces met that another model made: these have to be enrolled again
        self._shard = shard
        self._shards = shards
        self._model_id = model_id
        self._gates = {gate.id: frozenset({gate.id, gate.zone, gate.lift}) - {""} for gate in site.gates}
        self._galleries: dict[Places, Gallery] = {}
        self._held: dict[TicketId, _Held] = {}
        self._upcoming: dict[TicketId, StoredFace] = {}  # valid on a later day only

    @property
    def holders(self) -> int:
        """How many can be found today, wherever their tickets are valid."""
        return len(self._held)

    def __repr__(self) -> str:
        return f"FaceGalleries(shard {self._shard} of {self._shards}, {self.day}, {self.holders} holders)"

    def take(self, changes: Sequence[FaceChange]) -> None:
        """Take changes in their order; those of other shards' tickets only move `version` on. Taking one again does no harm."""
        for change in changes:
            if face_shard(change.ticket_id, self._shards) == self._shard:
                self._forget(change.ticket_id)
                if change.face is not None:
                    self._place(change.face)
            self.version = max(self.version, change.version)

    def turn_to(self, day: date) -> bool:
        """Make it `day`: who is no longer valid is forgotten, who is now valid can be found. False: it was a later day before,
        and who was forgotten then is missing; make new galleries."""
        if day == self.day:
            return True
        if day < self.day:
            return False
        self.day = day
        for ticket_id in [ticket_id for ticket_id, held in self._held.items() if held.valid_until < day]:
            self._forget(ticket_id)
        for face in [face for face in self._upcoming.values() if face.valid_on <= day]:
            del self._upcoming[face.ticket_id]
            self._place(face)
        return True

    def enrolled(self, ticket_id: TicketId) -> bool:
        """Whether that ticket's face is held here, for today or for a later day."""
        return ticket_id in self._held or ticket_id in self._upcoming

    def likeness(self, ticket_id: TicketId, vector: Vector) -> float | None:
        """1:1, also with a ticket of a later day. None: no face is enrolled for it in this shard. Raises Invalid."""
        held = self._held.get(ticket_id)
        if held is not None:
            return self._galleries[held.places].likeness(ticket_id, vector)
        later = self._upcoming.get(ticket_id)
        return None if later is None else cosine(unpacked(later.vector), vector)

    def rank(self, gate_id: GateId, vectors: Sequence[Vector]) -> ShardRanking:
        """1:N for frames of one person, among today's holders whose tickets cover that gate. Raises Invalid, also for a gate
        that is not there."""
        here = self._gates.get(gate_id)
        if here is None:
            raise Invalid("gate", f"there is no gate {gate_id}")
        galleries = [gallery for places, gallery in self._galleries.items() if not places or places & here]
        found = [gallery.rank_frames(vectors) for gallery in galleries]
        whole = merged([of_all for of_all, _ in found])
        frames = (merged([of_each[number] for _, of_each in found]) for number in range(len(vectors)))
        return ShardRanking(sum(len(gallery) for gallery in galleries), whole, tuple(frames))

    def _place(self, face: StoredFace) -> None:
        """Hold a face that is not held. One that cannot be compared is left out: its ticket's other media go on."""
        if face.valid_until < self.day:
            return
        if face.model_id != self._model_id:
            self.foreign += 1
            return
        if face.valid_on > self.day:
            self._upcoming[face.ticket_id] = face
            return
        places = frozenset(face.places)
        gallery = self._galleries.get(places)
        if gallery is None:
            gallery = Gallery(self._model_id)
        try:
            gallery.add(face.ticket_id, [unpacked(face.vector)], face.model_id)
        except Invalid as error:
            _log.warning("the face of ticket %s cannot be used: %s", face.ticket_id, error)
            return
        self._galleries[places] = gallery
        self._held[face.ticket_id] = _Held(places, face.valid_until)

    def _forget(self, ticket_id: TicketId) -> None:
        self._upcoming.pop(ticket_id, None)
        held = self._held.pop(ticket_id, None)
        if held is not None:
            gallery = self._galleries[held.places]
            gallery.remove(ticket_id)
            if len(gallery) == 0:
                del self._galleries[held.places]
