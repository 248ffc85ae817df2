"""Seldom is not never: cycles made after the start are found, and what was there before is left alone."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from actors.collecting import YOUNG, collect_seldom


class Knot:
    """Refers to itself, so that only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def _collector_as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("_collector_as_before")
def test_a_cycle_made_later_is_found_without_asking() -> None:
    collect_seldom()
    knot = weakref.ref(Knot())
    kept: list[list[int]] = [[] for _ in range(YOUNG + 1_000)]
    assert knot() is None
    assert len(kept) > YOUNG


@pytest.mark.usefixtures("_collector_as_before")
def test_what_was_there_is_not_walked_again() -> None:
    collect_seldom()
    assert gc.get_freeze_count() > 0
    assert len(gc.get_objects()) < gc.get_freeze_count()
