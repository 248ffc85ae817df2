"""Blind indexes: the same card is the same, and its number is nowhere."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resort.clock import ManualClock
from resort.documents import DocumentKind, DocumentRead, blind, blind_index
from resort.errors import Invalid, InvalidConfig

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
NUMBER = "11010519491231002X"  # the example of GB 11643-1999
NOW = ManualClock(datetime(2026, 12, 12, tzinfo=UTC)).now()


def test_a_document_is_known_again_by_this_site_only() -> None:
    seen = blind(DocumentRead("resident_id", NUMBER, 1949, NOW), KEY)
    assert seen.index == blind_index("resident_id", NUMBER, KEY)
    assert seen.index != blind_index("resident_id", NUMBER, OTHER_KEY)
    assert seen.index != blind_index("passport", NUMBER, KEY)
    assert len({blind_index("passport", f"E1234567{last}", KEY) for last in range(10)}) == 10
    assert (seen.kind, seen.birth_year) == ("resident_id", 1949)


@pytest.mark.parametrize(
    "written", ["11010519491231002x", " 110105 19491231 002X ", "110105-19491231-002X", "１１０１０５19491231002Ｘ"]
)
def test_however_it_is_written_it_is_the_same(written: str) -> None:
    assert blind_index("resident_id", written, KEY) == blind_index("resident_id", NUMBER, KEY)


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("resident_id", "110105194912310021"),
        ("resident_id", "11015019491231002X"),
        ("resident_id", "110105491231002"),
        ("passport", "E12"),
        ("passport", "E" * 33),
        ("passport", "E12_34"),
        ("passport", "Ж1234567"),
        ("passport", ""),
    ],
)
def test_what_is_no_number_is_refused_without_saying_it(kind: DocumentKind, number: str) -> None:
    with pytest.raises(Invalid) as caught:
        blind_index(kind, number, KEY)
    assert not number or number not in f"{caught.value} {caught.value!r}"


def test_a_key_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(InvalidConfig):
        blind_index("resident_id", NUMBER, b"short")


def test_nothing_shows_a_number() -> None:
    read = DocumentRead("resident_id", NUMBER, 1949, NOW)
    for shown in (repr(read), str(read), f"{[read]}", repr(blind(read, KEY))):
        assert NUMBER not in shown
        assert NUMBER[6:14] not in shown


@given(st.text(max_size=60))
def test_no_text_breaks_it(number: str) -> None:
    try:
        index = blind_index("other", number, KEY)
    except Invalid:
        return
    assert len(index) == 36
