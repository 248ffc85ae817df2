"""One shard's faces: who is a candidate where and when, and that whoever is forgotten is gone at once."""

from datetime import date, timedelta

import pytest

from actors.face_galleries import FaceGalleries
from actors.face_messages import face_shard
from resort.errors import Invalid
from resort.face_rules import NOBODY
from resort.faces import FaceChange, StoredFace
from resort.ids import GateId, TicketId
from resort.site import Site
from tests.unit.actors.face_world import MODEL, TODAY, face_of, like, stored, ticket

VILLAGE, NORTH, SUMMIT = GateId("village"), GateId("north"), GateId("summit")
DAY = timedelta(days=1)


@pytest.fixture
def galleries(demo_site: Site) -> FaceGalleries:
    """The only shard of the demo resort."""
    return FaceGalleries(demo_site, 0, 1, MODEL, TODAY)


def enrol(galleries: FaceGalleries, *faces: StoredFace) -> None:
    """Take them as the next changes."""
    version = galleries.version
    galleries.take([FaceChange(version + number + 1, face.ticket_id, face) for number, face in enumerate(faces)])


def best(galleries: FaceGalleries, gate_id: GateId, number: int) -> TicketId | str | None:
    """Who is most like the face of that number at a gate."""
    return galleries.rank(gate_id, [face_of(number)]).whole.holder


def test_who_is_enrolled_is_found_and_compared(galleries: FaceGalleries) -> None:
    enrol(galleries, stored(ticket(1), face_of(1)), stored(ticket(2), face_of(2)))
    ranking = galleries.rank(VILLAGE, [like(face_of(1), 0.8, 1), like(face_of(1), 0.7, 2)])
    assert ranking.holders == galleries.holders == 2
    assert ranking.whole.holder == ticket(1)
    assert ranking.whole.score > ranking.frames[0].score == pytest.approx(0.8, abs=1e-5)
    assert [frame.holder for frame in ranking.frames] == [ticket(1), ticket(1)]
    assert galleries.likeness(ticket(1), like(face_of(1), 0.6)) == pytest.approx(0.6, abs=1e-5)
    assert galleries.likeness(ticket(3), face_of(1)) is None
    assert galleries.enrolled(ticket(2))
    assert not galleries.enrolled(ticket(3))


def test_who_is_forgotten_is_gone_from_everything(galleries: FaceGalleries) -> None:
    enrol(galleries, stored(ticket(1), face_of(1)), stored(ticket(2), face_of(2)))
    galleries.take([FaceChange(3, ticket(1))])
    assert galleries.version == 3
    assert not galleries.enrolled(ticket(1))
    assert galleries.likeness(ticket(1), face_of(1)) is None
    ranking = galleries.rank(VILLAGE, [face_of(1)])
    assert (ranking.holders, ranking.whole.holder) == (1, ticket(2))
    galleries.take([FaceChange(4, ticket(2)), FaceChange(5, ticket(9))])
    assert galleries.rank(VILLAGE, [face_of(2)]).whole.score == NOBODY


def test_a_holder_is_no_candidate_where_the_ticket_is_not_valid(galleries: FaceGalleries) -> None:
    """By gate, by zone and by lift; a ticket without places is valid everywhere."""
    enrol(
        galleries,
        stored(ticket(1), face_of(1), places=("base",)),
        stored(ticket(2), face_of(2), places=("summit-gondola",)),
        stored(ticket(3), face_of(3), places=("north", "peak")),
        stored(ticket(4), face_of(4)),
    )
    gates = (VILLAGE, NORTH, SUMMIT)
    named = {gate: {number for number in range(1, 5) if best(galleries, gate, number) == ticket(number)} for gate in gates}
    assert named == {VILLAGE: {1, 4}, NORTH: {1, 3, 4}, SUMMIT: {2, 3, 4}}
    assert [galleries.rank(gate, [face_of(1)]).holders for gate in gates] == [2, 3, 3]
    assert galleries.likeness(ticket(2), face_of(2)) == pytest.approx(1.0, abs=1e-5), "1:1 is not about places"


def test_the_runner_up_may_be_in_another_gallery(galleries: FaceGalleries) -> None:
    """A twin with another kind of ticket is a twin."""
    enrol(galleries, stored(ticket(1), face_of(1), places=("base",)), stored(ticket(2), like(face_of(1), 0.9)))
    assert galleries.rank(VILLAGE, [face_of(1)]).whole.runner_up == pytest.approx(0.9, abs=1e-5)
    assert galleries.rank(SUMMIT, [face_of(1)]).whole.runner_up == NOBODY


def test_changed_places_move_the_holder(galleries: FaceGalleries) -> None:
    enrol(galleries, stored(ticket(1), face_of(1), places=("base",)))
    enrol(galleries, stored(ticket(1), face_of(1), places=("peak",)))
    assert [galleries.rank(gate, [face_of(1)]).holders for gate in (VILLAGE, SUMMIT)] == [0, 1]
    assert galleries.holders == 1


def test_a_new_photograph_replaces_the_old_one(galleries: FaceGalleries) -> None:
    enrol(galleries, stored(ticket(1), face_of(1)))
    enrol(galleries, stored(ticket(1), face_of(2)))
    assert galleries.likeness(ticket(1), face_of(2)) == pytest.approx(1.0, abs=1e-5)
    assert galleries.holders == 1


def test_the_day_turns(galleries: FaceGalleries) -> None:
    """Today's only, two days', and one that begins tomorrow; yesterday's is not even taken."""
    enrol(
        galleries,
        stored(ticket(1), face_of(1)),
        stored(ticket(2), face_of(2), valid_until=TODAY + DAY),
        stored(ticket(3), face_of(3), valid_on=TODAY + DAY, valid_until=TODAY + DAY),
        stored(ticket(4), face_of(4), valid_on=TODAY - DAY, valid_until=TODAY - DAY),
    )
    assert galleries.holders == 2
    assert best(galleries, VILLAGE, 3) != ticket(3)
    assert galleries.likeness(ticket(3), face_of(3)) == pytest.approx(1.0, abs=1e-5), "1:1 also before its day"
    assert not galleries.enrolled(ticket(4))
    assert galleries.turn_to(TODAY + DAY)
    assert [best(galleries, VILLAGE, number) == ticket(number) for number in (1, 2, 3)] == [False, True, True]
    assert not galleries.enrolled(ticket(1))
    assert galleries.turn_to(TODAY + 2 * DAY)
    assert galleries.holders == 0


def test_a_day_that_goes_back_needs_new_galleries(galleries: FaceGalleries) -> None:
    assert galleries.turn_to(TODAY)
    assert not galleries.turn_to(TODAY - DAY)
    assert galleries.day == TODAY


def test_who_is_forgotten_before_the_day_never_appears(galleries: FaceGalleries) -> None:
    enrol(galleries, stored(ticket(1), face_of(1), valid_on=TODAY + DAY, valid_until=TODAY + DAY))
    galleries.take([FaceChange(2, ticket(1))])
    galleries.turn_to(TODAY + DAY)
    assert galleries.holders == 0
    assert galleries.likeness(ticket(1), face_of(1)) is None


def test_each_shard_holds_its_own(demo_site: Site) -> None:
    shards = [FaceGalleries(demo_site, shard, 3, MODEL, TODAY) for shard in range(3)]
    tickets = [ticket(number) for number in range(300)]
    for galleries in shards:
        enrol(galleries, *(stored(ticket_id, face_of(1)) for ticket_id in tickets))
        assert galleries.version == 300, "changes of other shards are passed too"
    assert sum(galleries.holders for galleries in shards) == 300
    assert min(galleries.holders for galleries in shards) > 60
    for ticket_id in tickets:
        assert [galleries.enrolled(ticket_id) for galleries in shards].index(True) == face_shard(ticket_id, 3)


@pytest.mark.parametrize("vector", [b"", b"\0" * 512, b"\0" * 511])
def test_a_face_that_cannot_be_compared_is_left_out(galleries: FaceGalleries, vector: bytes) -> None:
    spoilt = StoredFace(ticket_id=ticket(1), model_id=MODEL, vector=vector, valid_on=TODAY, valid_until=TODAY)
    enrol(galleries, spoilt, stored(ticket(2), face_of(2), model_id="another"), stored(ticket(3), face_of(3)))
    assert galleries.holders == 1
    assert galleries.foreign == 1
    assert galleries.rank(VILLAGE, [face_of(2)]).whole.holder == ticket(3)


def test_an_unknown_gate_is_refused(galleries: FaceGalleries) -> None:
    with pytest.raises(Invalid, match="there is no gate"):
        galleries.rank(GateId("nowhere"), [face_of(1)])


def test_the_text_form_shows_no_vector(galleries: FaceGalleries) -> None:
    enrol(galleries, stored(ticket(1), face_of(1)))
    assert repr(galleries) == f"FaceGalleries(shard 0 of 1, {date(2026, 12, 5)}, 1 holders)"
