"""How long units of a bus are waited for, without a bus."""

import pytest

from devices.unit_trust import GLANCE_S, LOSS_REST_MAX_S, REST_S, UnitTrust

T = 0.25


@pytest.fixture
def trust() -> UnitTrust:
    return UnitTrust(T, shared=True)


def patience(trust: UnitTrust, late_at: float | None = None) -> float:
    return trust.patience_s(1, late_at, order=False)


def test_a_suspect_gets_a_glance_and_whoever_answers_the_whole_time(trust: UnitTrust) -> None:
    assert patience(trust) == T
    trust.note_silence(1, 10.0)
    assert patience(trust) == GLANCE_S
    assert trust.patience_s(1, None, order=True) == T, "an order is given up by nobody early"
    assert trust.patience_s(2, None, order=False) == T
    trust.note_answer(1, 0.002)
    assert patience(trust) == T


def test_a_slow_unit_gets_a_longer_glance_and_one_that_was_nearly_in_time_the_whole(trust: UnitTrust) -> None:
    trust.note_answer(1, 0.03)
    trust.note_silence(1, 10.0)
    assert patience(trust) == pytest.approx(0.09)
    trust.note_silence(1, 11.0)
    assert patience(trust, late_at=11.1) == T
    assert patience(trust, late_at=11.4) == pytest.approx(0.09), "so late that it would not have been waited for anyway"
    assert patience(trust, late_at=10.9) == pytest.approx(0.09), "of a request before"


def test_a_unit_with_a_connection_of_its_own_is_always_waited_for() -> None:
    trust = UnitTrust(T, shared=False)
    trust.note_silence(1, 1.0)
    assert patience(trust) == T
    trust.note_loss(1, 1.0, neighbours_live=True)
    assert not trust.rests(1, 1.0)


def test_two_silences_in_a_row_are_followed_by_a_rest(trust: UnitTrust) -> None:
    trust.note_silence(1, 1.0)
    assert not trust.rests(1, 1.0)
    trust.note_silence(1, 1.1)
    assert trust.rests(1, 1.0 + REST_S)
    assert not trust.rests(1, 1.1 + REST_S)


def test_who_costs_the_neighbours_their_connection_rests_longer_each_time_over_connections(trust: UnitTrust) -> None:
    now, rests = 100.0, []
    for _ in range(6):
        trust.note_loss(1, now, neighbours_live=True)
        trust.begin_anew()
        rests.append(next(wait for wait in (0.5, 2, 8, 30, 60) if not trust.rests(1, now + wait)))
    assert rests == [0.5, 2, 8, LOSS_REST_MAX_S, LOSS_REST_MAX_S, LOSS_REST_MAX_S]
    trust.note_answer(1, 0.01)
    trust.note_loss(1, now, neighbours_live=True)
    assert not trust.rests(1, now + REST_S)
    trust.note_loss(2, now, neighbours_live=False)
    assert not trust.rests(2, now), "the whole bus was gone"
