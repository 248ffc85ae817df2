"""Site codes: genuine ones read back, everything else is refused with the right reason."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resort.access.codes import (
    CARD,
    CODE_LENGTH,
    PRINTED,
    STEP_S,
    CodeReading,
    SiteKeys,
    check_keys,
    code_mark,
    examine_code,
    issue_code,
    read_code,
    step_at,
)
from resort.access.reasons import Reason
from resort.errors import InvalidConfig
from resort.ids import TicketId

KEYS = SiteKeys(2, {1: b"a" * 32, 2: b"b" * 32})
NOW = datetime(2026, 12, 12, 1, 0, 7, tzinfo=UTC)
TICKET = TicketId("0123456789abcdef")


def test_a_printed_code_reads_back() -> None:
    code = issue_code(TICKET, KEYS)
    assert len(code) == CODE_LENGTH == 39
    assert read_code(code, KEYS, NOW) == CodeReading(TICKET, 0, 0)


def test_codes_use_only_the_alphanumeric_mode_of_qr() -> None:
    assert set(issue_code(TICKET, KEYS)) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")


def test_a_code_of_an_older_key_is_still_good() -> None:
    old = SiteKeys(1, KEYS.keys)
    assert isinstance(read_code(issue_code(TICKET, old), KEYS, NOW), CodeReading)


@pytest.mark.parametrize(("steps", "genuine"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_phone_code_lives_one_step_around_now(steps: int, genuine: bool) -> None:
    code = issue_code(TICKET, KEYS, step_at(NOW + timedelta(seconds=steps * STEP_S)))
    reading = read_code(code, KEYS, NOW)
    if genuine:
        assert isinstance(reading, CodeReading)
        assert reading.steps_off == steps
    else:
        assert reading is Reason.STALE_CODE


def test_a_foreign_key_is_forged() -> None:
    forged = issue_code(TICKET, SiteKeys(2, {2: b"x" * 32}))
    unknown_key = issue_code(TICKET, SiteKeys(9, {9: b"b" * 32}))
    assert read_code(forged, KEYS, NOW) is Reason.FORGED_CODE
    assert read_code(unknown_key, KEYS, NOW) is Reason.FORGED_CODE


@pytest.mark.parametrize("text", ["", "https://example.com/", "A" * 39, "ü" * 39, ":::" * 13, issue_code(TICKET, KEYS).lower()])
def test_what_is_no_code_is_malformed(text: str) -> None:
    assert read_code(text, KEYS, NOW) is Reason.MALFORMED_CODE


@given(st.integers(0, CODE_LENGTH - 1), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"))
def test_any_changed_character_is_refused(place: int, character: str) -> None:
    code = issue_code(TICKET, KEYS)
    changed = code[:place] + character + code[place + 1 :]
    if changed != code:
        assert isinstance(read_code(changed, KEYS, NOW), Reason)


@given(st.text(max_size=60))
def test_no_text_raises_or_is_admitted(text: str) -> None:
    assert isinstance(read_code(text, KEYS, NOW), Reason)


def test_the_medium_is_part_of_what_is_signed() -> None:
    media = {}
    for step in (PRINTED, CARD, step_at(NOW)):
        reading = read_code(issue_code(TICKET, KEYS, step), KEYS, NOW)
        assert isinstance(reading, CodeReading)
        media[reading.medium] = reading.step
    assert media == {"printed": 0, "card": 0, "phone": step_at(NOW)}


def test_a_stale_code_still_says_what_it_was_and_by_how_much() -> None:
    code = issue_code(TICKET, KEYS, step_at(NOW) - 240)
    reading = examine_code(code, KEYS, NOW)
    assert isinstance(reading, CodeReading)
    assert (reading.ticket_id, reading.steps_off, reading.stale) == (TICKET, -240, True)


def test_a_mark_tells_the_same_thing_again_and_nothing_else() -> None:
    mark = code_mark("https://example.com/", KEYS)
    assert mark == code_mark("https://example.com/", KEYS)
    others = {code_mark(text, keys) for text in ("https://example.com", "\ud800") for keys in (KEYS, SiteKeys(1, KEYS.keys))}
    assert len(others | {mark}) == 5
    assert len(mark) == 16


def test_keys_never_show_themselves() -> None:
    assert "bbbb" not in repr(KEYS)
    assert "aaaa" not in str(KEYS)


@pytest.mark.parametrize("keys", [SiteKeys(3, {1: b"a" * 32}), SiteKeys(1, {1: b"short"}), SiteKeys(256, {256: b"a" * 32})])
def test_unusable_keys_are_refused(keys: SiteKeys) -> None:
    with pytest.raises(InvalidConfig):
        check_keys(keys)
