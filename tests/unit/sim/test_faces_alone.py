"""Faces alone on paper: who buys what, who rests, who is a stranger, and what is counted."""

import random
from collections import Counter
from datetime import date

from sim.crowd import Crowd, Showing, Tally
from sim.face_album import Portrait
from sim.faces_alone import AloneCast, FacesAlone
from sim.shop_client import BoughtTicket

DAY = date(2026, 12, 5)
HOLDERS = [Portrait(name, f"{name} enrolled".encode(), (f"{name} seen".encode(),)) for name in ("ann", "ben", "cai")]
STRANGERS = [Portrait("xu", b"never", (b"xu seen",))]
CAST = AloneCast(frozenset({"walk-up"}), ("day", "once"), HOLDERS, STRANGERS)
ALWAYS = Crowd(alone_share=1.0, stranger_share=0.0, alone_rest_s=10.0)


class Shop:
    """Sells, and takes every photograph but those in `bad`."""

    def __init__(self, *bad: bytes) -> None:
        self.sold: list[str] = []
        self.enrolled: list[bytes] = []
        self._bad = bad

    async def buy(self, product: str, day: date, units: dict[str, int]) -> list[BoughtTicket]:
        assert (day, units) == (DAY, {"adult": 1})
        self.sold.append(product)
        return [BoughtTicket(f"t{len(self.sold)}", "adult", f"CODE {len(self.sold)}")]

    async def enrol_face(self, ticket_id: str, photograph: bytes) -> bool:
        if photograph in self._bad:
            return False
        self.enrolled.append(photograph)
        return True


async def stocked(shop: Shop, crowd: Crowd = ALWAYS, cast: AloneCast = CAST) -> tuple[FacesAlone, Tally]:
    tally = Tally()
    made = FacesAlone(cast, crowd, tally)
    while made.low:
        await made.buy(shop, DAY)
    return made, tally


async def test_each_holder_has_one_ticket_and_the_products_go_round() -> None:
    shop = Shop()
    _, tally = await stocked(shop)
    assert (shop.sold, shop.enrolled) == (["day", "once", "day"], [holder.enrolled for holder in HOLDERS])
    assert (tally.orders, tally.faces_enrolled) == (3, 3)


async def test_holders_show_a_face_and_no_code_and_rest_afterwards() -> None:
    made, _ = await stocked(Shop())
    dice = random.Random(1)
    shown = [made.deal("walk-up", dice, 0.0) for _ in range(4)]
    assert shown[3] is None, "everybody rests"
    assert all(showing is not None and (showing.behaviour, showing.code) == ("alone", None) for showing in shown[:3])
    assert {showing.face for showing in shown if showing} == {holder.seen[0] for holder in HOLDERS}
    assert made.deal("walk-up", dice, 9.9) is None
    assert made.deal("walk-up", dice, 10.0) is not None
    assert made.deal("verify", dice, 10.0) is None, "another lane opens for no face alone"


async def test_strangers_are_nobody_enrolled() -> None:
    made, _ = await stocked(Shop(), Crowd(alone_share=1.0, stranger_share=0.5, alone_rest_s=0.0))
    dice = random.Random(2)
    seen = Counter(showing.behaviour for _ in range(60) if (showing := made.deal("walk-up", dice, 0.0)) is not None)
    assert set(seen) == {"alone", "stranger"}
    assert min(seen.values()) >= 15
    strangers = [showing for _ in range(60) if (showing := made.deal("walk-up", dice, 0.0)) and showing.behaviour == "stranger"]
    assert {showing.face for showing in strangers} == {b"xu seen"}


async def test_a_photograph_that_is_not_good_enough_is_not_brought_again() -> None:
    made, tally = await stocked(Shop(b"ben enrolled"))
    assert tally.faces_enrolled == 2
    shown = [made.deal("walk-up", random.Random(1), 0.0) for _ in range(3)]
    assert b"ben seen" not in {showing.face for showing in shown if showing}


async def test_without_a_product_that_a_face_may_show_nobody_comes() -> None:
    made, _ = await stocked(Shop(), cast=AloneCast(frozenset({"walk-up"}), (), HOLDERS, STRANGERS))
    assert made.deal("walk-up", random.Random(1), 0.0) is None
    assert not FacesAlone(AloneCast(), ALWAYS, Tally()).low


def test_outcomes_are_counted_apart() -> None:
    tally = Tally()
    made = FacesAlone(AloneCast(), ALWAYS, tally)
    alone, stranger = Showing("alone", None, b"face"), Showing("stranger", None, b"face")
    for outcome in ("unlocked", "refused", ""):
        made.ended(alone, outcome)
    for outcome in ("", "unlocked"):
        made.ended(stranger, outcome)
    made.ended(Showing("holder", "CODE", b"face"), "unlocked")
    assert (tally.alone_shown, tally.alone_let_in, tally.alone_refused) == (3, 1, 1)
    assert (tally.strangers_shown, tally.strangers_let_in) == (2, 1)
