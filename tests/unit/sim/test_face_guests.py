"""Guests with faces on paper: who buys, who borrows, what is counted, and a photograph that nobody takes."""

import random
from collections import Counter
from datetime import date

import pytest

from resort.errors import Unavailable
from sim.crowd import Crowd, Tally
from sim.face_album import Portrait
from sim.face_guests import FaceGuests
from sim.shop_client import BoughtTicket

DAY = date(2026, 12, 5)
ALBUM = [Portrait("one", b"one enrolled", (b"one seen", b"one again")), Portrait("two", b"two enrolled", (b"two seen",))]
EVERYBODY = Crowd(face_share=1.0, borrowed_share=0.5)


class Shop:
    """Sells, and takes every photograph but those in `bad`."""

    def __init__(self, *bad: bytes) -> None:
        self.enrolled: dict[str, bytes] = {}
        self.away = False
        self._bad = bad
        self._sold = 0

    async def buy(self, product: str, day: date, units: dict[str, int]) -> list[BoughtTicket]:
        if self.away:
            raise Unavailable("The shop", "it is away on purpose")
        assert (product, day, units) == ("single", DAY, {"adult": 1})
        self._sold += 1
        return [BoughtTicket(f"t{self._sold}", "adult", f"CODE {self._sold}")]

    async def enrol_face(self, ticket_id: str, photograph: bytes) -> bool:
        if photograph in self._bad:
            return False
        self.enrolled[f"CODE {ticket_id[1:]}"] = photograph
        return True


def guests(crowd: Crowd = EVERYBODY, album: list[Portrait] | None = None) -> tuple[FaceGuests, Tally]:
    tally = Tally()
    return FaceGuests({"faced"}, ALBUM if album is None else album, crowd, tally, 1), tally


async def test_holders_show_their_own_face_and_borrowers_do_not() -> None:
    made, tally = guests()
    shop, dice = Shop(), random.Random(1)
    seen: Counter[str] = Counter()
    for _ in range(40):
        await made.buy(shop, DAY)
        showing = made.deal("faced", dice)
        assert showing is not None
        assert showing.code is not None
        own = shop.enrolled[showing.code][:3] == (showing.face or b"")[:3]
        assert own == (showing.behaviour == "holder")
        made.ended(showing, "unlocked" if own else "refused")
        seen[showing.behaviour] += 1
    assert min(seen["holder"], seen["borrowed"]) >= 5
    assert (tally.faces_enrolled, tally.faces_shown, tally.faces_let_in) == (40, seen["holder"], seen["holder"])
    assert (tally.borrowed_shown, tally.borrowed_let_in) == (seen["borrowed"], 0)


async def test_lanes_that_look_at_no_face_and_empty_albums_have_no_such_guests() -> None:
    made, _ = guests()
    await made.buy(Shop(), DAY)
    assert made.deal("plain", random.Random(1)) is None
    assert made.deal("faced", random.Random(1)) is not None
    nobody, _ = guests(album=[])
    assert not nobody.low


async def test_one_person_alone_borrows_from_nobody() -> None:
    made, _ = guests(Crowd(face_share=1.0, borrowed_share=1.0), ALBUM[:1])
    await made.buy(Shop(), DAY)
    showing = made.deal("faced", random.Random(1))
    assert showing is not None
    assert showing.behaviour == "holder"


async def test_a_photograph_that_is_not_good_enough_is_not_brought_again() -> None:
    made, tally = guests(album=ALBUM[1:])
    await made.buy(Shop(b"two enrolled"), DAY)
    assert (made.low, tally.faces_enrolled) == (False, 0)


async def test_a_shop_that_is_away_is_told_and_asked_again() -> None:
    made, _ = guests()
    shop = Shop()
    shop.away = True
    with pytest.raises(Unavailable):
        await made.buy(shop, DAY)
    assert made.low


async def test_only_so_many_tickets_are_bought_ahead() -> None:
    made, _ = guests()
    while made.low:
        await made.buy(Shop(), DAY)
    assert EVERYBODY.face_stock == 4
    assert [made.deal("faced", random.Random(1)) is not None for _ in range(5)] == [True] * 4 + [False]


def test_no_picture_is_in_a_text() -> None:
    assert repr(ALBUM[0]) == "Portrait(one)"
