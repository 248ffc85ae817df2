"""Counters of 16 bits as the lane's 32: rounds, restarts, losses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wide_counter import NARROW, WIDE, WideCounter

UNSEEN = 1024


def test_the_first_reading_stands_as_it_is() -> None:
    assert WideCounter(UNSEEN).read(65_535) == 65_535


@pytest.mark.parametrize(
    ("total", "counter", "told"),
    [
        (65_535, 0, 65_536),
        (65_536, 0, 65_536),  # a restart in between
        (65_536, 3, 65_539),
        (5 * NARROW + 65_000, 10, 6 * NARROW + 10),
        (WIDE - 1, 0, 0),
        (100, 100 + UNSEEN, 100 + UNSEEN),
        (100, 101 + UNSEEN, 101 + UNSEEN - NARROW + WIDE),  # too many to be turns
        (3 * NARROW + 500, 0, 3 * NARROW),  # the board lost its count
        (5, 4, 4),
        (0, 65_535, WIDE - 1),
    ],
)
def test_a_counter_goes_on_from_what_is_remembered(total: int, counter: int, told: int) -> None:
    wide = WideCounter(UNSEEN)
    wide.recall(total)
    assert wide.read(counter) == told
    assert wide.read(counter) == told


@given(st.integers(0, WIDE - 1), st.lists(st.tuples(st.integers(0, UNSEEN), st.booleans())))
def test_no_turn_is_lost_or_invented_however_often_the_driver_restarts(began: int, steps: list[tuple[int, bool]]) -> None:
    wide, true, told = WideCounter(UNSEEN), began, began
    wide.recall(began)
    for turned, restarted in steps:
        true = (true + turned) % WIDE
        if restarted:
            wide = WideCounter(UNSEEN)
            wide.recall(told)
        told = wide.read(true % NARROW)
        assert told == true


@given(st.integers(0, WIDE - 1), st.integers(0, NARROW - 1))
def test_what_is_told_always_ends_in_what_was_read(total: int, counter: int) -> None:
    wide = WideCounter(UNSEEN)
    wide.recall(total)
    told = wide.read(counter)
    assert told % NARROW == counter
    assert 0 <= told < WIDE


def test_recalling_nothing_begins_anew() -> None:
    wide = WideCounter(UNSEEN)
    wide.read(700)
    wide.recall(None)
    assert wide.read(3) == 3
