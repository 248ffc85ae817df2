"""Steel that is built wrongly does so in the one way that it says, and is sound otherwise."""

from datetime import UTC, datetime

import pytest

from resort.clock import ManualClock
from sim.odd_turnstile import FIRST_COUNT, ODDITIES, Oddity, OddTurnstile

WINDOW_MS = 1_000


def story(oddity: Oddity) -> list[str]:
    """What is different from a sound one: at rest, after a pulse, after its window, and after turns."""
    clock = ManualClock(datetime(2027, 1, 2, 9, 0, tzinfo=UTC))
    model = OddTurnstile(WINDOW_MS, clock, oddity)
    wrong = []
    if model.unlocked:
        wrong.append("unlocked at rest")
    if model.counter_in != FIRST_COUNT:
        wrong.append("counts at rest")
    model.pulse_entry()
    before = model.counter_in
    if before != FIRST_COUNT and not wrong:
        wrong.append("counts a pulse")
    clock.advance_ms(WINDOW_MS * 0.9)
    if not model.unlocked:
        wrong.append("locks early")
    clock.advance_ms(WINDOW_MS * 0.2)
    if model.unlocked and "unlocked at rest" not in wrong:
        wrong.append("locks late")
    model = OddTurnstile(WINDOW_MS, clock, oddity)
    model.pulse_entry()
    before = model.counter_in
    assert model.push_in()
    if (model.counter_in - before, model.counter_out) != (1, 0):
        wrong.append("counts a turn in wrongly")
    before, out = model.counter_in, model.counter_out
    assert model.push_out()
    if (model.counter_in - before, model.counter_out - out) != (0, 1):
        wrong.append("counts a turn out wrongly")
    if model.firmware != model.firmware:
        wrong.append("changes its firmware")
    model.fire_release = True
    if not model.unlocked:
        wrong.append("locks under fire release")
    return wrong


EXPECTED: dict[Oddity, list[str]] = {
    "stays_open": ["locks late"],
    "hasty": ["locks early"],
    "never_locked": ["unlocked at rest"],
    "counts_twice": ["counts a turn in wrongly"],
    "counts_pulses": ["counts a pulse"],
    "creeps": ["counts at rest", "counts a turn in wrongly", "counts a turn out wrongly"],
    "runs_back": ["counts at rest", "counts a turn in wrongly", "counts a turn out wrongly"],
    "ways_swapped": ["counts a turn in wrongly", "counts a turn out wrongly"],
    "flickers": ["changes its firmware"],
    "defies_fire": ["locks under fire release"],
}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_each_oddity_is_what_it_says(oddity: Oddity) -> None:
    assert story(oddity) == EXPECTED[oddity]
