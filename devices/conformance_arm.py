"""Checks of a turnstile controller that move its lamp and its arm.

Each takes the bench and answers its findings, and leaves the arm to lock by itself: no profile has an order that locks. How
long the arm was open is told by bounds: not shorter than from the confirmed pulse to the last reading that was asked for and
said unlocked, not longer than from sending the pulse to the first reading that said locked. A machine that stalls
while it measures widens the bounds, and never fails a good controller.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from devices.conformance_bench import Bench, Watched
from devices.conformance_card import Finding
from devices.conformance_rest import steps
from resort.clock import Moment
from resort.errors import Invalid, TurnstileUnreachable
from resort.ports import Turnstile, TurnstileStatus

LAMPS = ("go", "refused", "idle")  # idle last: that is how it is left
READINGS_TOGETHER = 20
ATTEMPTS = 2


async def lamp(bench: Bench) -> list[Finding]:
    """Each value is taken; whether it shines, only eyes can see."""
    if bench.profile.commands.indicator is None:
        return [Finding("lamp", "skipped", "the profile has no lamp")]
    dark: list[str] = []
    for value in LAMPS:
        try:
            await bench.turnstile.show(value)
        except (TurnstileUnreachable, Invalid) as error:
            return [Finding("lamp", "fail", f"{value} was not taken: {_detail(error)}")]
        if bench.attendant is not None and not await bench.attendant.confirm(f"Does the lamp show `{value}`?"):
            dark.append(value)
    if dark:
        return [Finding("lamp", "fail", f"it took {' and '.join(dark)}, and nobody saw it")]
    seen = "and somebody saw them" if bench.attendant is not None else "(nobody was there to see it shine)"
    return [Finding("lamp", "pass", f"took {', '.join(LAMPS)} {seen}")]


async def pulse(bench: Bench) -> list[Finding]:
    """One pulse that nobody uses: three findings."""
    before = (await bench.look()).status
    blocked = _why_no_pulse(before)
    if blocked:
        return untried(("pulse_unlocks", "relocks", "pulse_not_counted"), blocked)
    if bench.attendant is not None:
        await bench.attendant.ask("Stand clear: the arm unlocks now and nobody turns it.")
    sent = bench.clock.now()
    try:
        await bench.turnstile.pulse_entry()
    except TurnstileUnreachable as error:
        found = Finding("pulse_unlocks", "fail", f"the pulse was not confirmed: {error.detail}")
        return [found, *untried(("relocks", "pulse_not_counted"), "the pulse was not confirmed")]
    confirmed = bench.clock.now()
    seen, unlocked = await bench.look_until(lambda status: status.unlocked, bench.limits.unlock_ms)
    if not unlocked:
        said = f"still locked {bench.limits.unlock_ms:g} ms after the pulse was confirmed: wrong address, or set to exit only?"
        return [
            Finding("pulse_unlocks", "fail", said),
            *untried(("relocks",), "it was never seen unlocked"),
            await _not_counted(bench, before),
        ]
    took_ms = seen[-1].answered.ms_since(sent)
    return [
        Finding("pulse_unlocks", "pass", f"seen unlocked {took_ms:.0f} ms after the pulse was sent", {"unlock_ms": took_ms}),
        await _relocks(bench, sent, confirmed, seen),
        await _not_counted(bench, before),
    ]


async def turn(bench: Bench) -> list[Finding]:
    """Somebody uses a pulse: it counts once, inwards, and the arm is locked again long before its window is over."""
    if bench.attendant is None:
        return [Finding("turn_counted_once", "skipped", "nobody is there to turn the arm (--attended)")]
    for _ in range(ATTEMPTS):
        before = (await bench.look()).status
        blocked = _why_no_pulse(before)
        if blocked:
            return untried(("turn_counted_once",), blocked)
        await bench.attendant.ask("Go through the arm now, once.")
        await bench.turnstile.pulse_entry()
        _, turned = await bench.look_until(partial(_counted, before), bench.window_end_ms)
        if turned:
            return [await _judge_turn(bench, before)]
        await bench.wait_locked()
    return [Finding("turn_counted_once", "fail", f"{ATTEMPTS} pulses, and no turn was counted: is counter_in right?")]


async def way_out(bench: Bench) -> list[Finding]:
    """The way out is free: no pulse."""
    if bench.attendant is None:
        return [Finding("way_out_counted", "skipped", "nobody is there to turn the arm (--attended)")]
    before = (await bench.look()).status
    await bench.attendant.ask("Go back out through the arm, once.")
    _, turned = await bench.look_until(partial(_counted, before), bench.limits.push_within_s * 1000)
    if not turned:
        return [Finding("way_out_counted", "fail", "no turn was counted: is the way out free, and counter_out right?")]
    after = await _settled(bench)
    went = steps(before.counter_in, after.counter_in), steps(before.counter_out, after.counter_out)
    if went != (0, 1):
        return [Finding("way_out_counted", "fail", f"counted {went[0]} inwards and {went[1]} outwards instead of 0 and 1")]
    return [Finding("way_out_counted", "pass", "counted once, outwards")]


async def fire_release(bench: Bench) -> list[Finding]:
    """Only where the panel's input is asserted: nobody asserts it from here."""
    before = (await bench.look()).status
    if not before.fire_release:
        said = "the fire panel does not hold the arm; run it once more with the input asserted to see this"
        return [Finding("fire_release", "skipped", said)]
    try:
        await bench.turnstile.pulse_entry()
    except TurnstileUnreachable as error:
        if error.sent:  # a controller may well refuse it
            return [Finding("fire_release", "fail", f"the pulse was not confirmed: {error.detail}")]
    seen, changed = await bench.look_until(lambda status: _arm(status) != _arm(before), bench.window_end_ms)
    if changed:
        return [Finding("fire_release", "fail", f"after a pulse it was {_said(seen[-1].status)}")]
    return [Finding("fire_release", "pass", "a pulse, and a window later the arm is as free as before")]


async def neighbours(bench: Bench) -> list[Finding]:
    """Readings of all units at once, then a pulse for each of them while the others must not notice."""
    if not bench.neighbours:
        return [Finding("neighbours", "skipped", "one unit was named (--unit twice names two)")]
    units = {bench.site.unit: bench.turnstile, **bench.neighbours}
    try:
        first = await _together(units)
        bench.neighbours_answer = True
        blocked = next(filter(None, map(_why_no_pulse, first.values())), "")
        if blocked:
            return untried(("neighbours",), f"of one of them: {blocked}")
        for _ in range(READINGS_TOGETHER):
            problem = _disturbed(first, await _together(units))
            if problem:
                return [Finding("neighbours", "fail", f"read all at once, {problem}")]
        for pulsed in units:
            problem = await _pulse_beside(bench, units, pulsed)
            if problem:
                return [Finding("neighbours", "fail", f"after a pulse for unit {pulsed}, {problem}")]
    except TurnstileUnreachable as error:
        return [Finding("neighbours", "fail", f"asked all at once: {str(error).rstrip('.')}")]
    names = ", ".join(map(str, units))
    return [
        Finding("neighbours", "pass", f"units {names} answered {READINGS_TOGETHER} rounds at once, each left the others alone")
    ]


async def _pulse_beside(bench: Bench, units: Mapping[int, Turnstile], pulsed: int) -> str:
    """What the other units did while one was unlocked and locked again; empty if nothing."""
    before = await _together(units)
    began = bench.clock.now()
    await units[pulsed].pulse_entry()
    while True:
        now = await _together(units)
        problem = _disturbed(before, now, but=pulsed)
        over = bench.clock.now().ms_since(began) > bench.window_end_ms
        if problem or over:
            return problem or ("it did not lock again" if now[pulsed].unlocked else "")
        await bench.pause()


async def _together(units: Mapping[int, Turnstile]) -> dict[int, TurnstileStatus]:
    """A reading of each, asked for at the same time. Raises TurnstileUnreachable."""
    answers = await asyncio.gather(*(unit.status() for unit in units.values()), return_exceptions=True)
    told: dict[int, TurnstileStatus] = {}
    for unit, answer in zip(units, answers, strict=True):
        if isinstance(answer, BaseException):
            raise answer
        told[unit] = answer
    return told


def _disturbed(before: Mapping[int, TurnstileStatus], after: Mapping[int, TurnstileStatus], but: int | None = None) -> str:
    for unit, status in after.items():
        if unit != but and _arm(status) != _arm(before[unit]):
            return f"unit {unit} went from {_said(before[unit])} to {_said(status)}"
    return ""


def untried(checks: Sequence[str], reason: str) -> list[Finding]:
    """Findings of checks that could not be tried."""
    return [Finding(check, "untried", reason) for check in checks]


async def window(bench: Bench, sent: Moment, confirmed: Moment, seen: list[Watched]) -> tuple[float, float]:
    """Bounds of how long the arm is unlocked, in ms; `seen` ends with an unlocked reading. (low, inf): it never locked."""
    low = seen[-1].asked
    while True:
        late = bench.clock.now().ms_since(confirmed) > 2 * bench.window_end_ms
        now = await bench.look()
        if not now.status.unlocked:
            return max(0.0, low.ms_since(confirmed)), now.answered.ms_since(sent)
        if late:
            return now.asked.ms_since(confirmed), float("inf")
        low = now.asked
        await bench.pause()


async def _relocks(bench: Bench, sent: Moment, confirmed: Moment, seen: list[Watched]) -> Finding:
    low, high = await window(bench, sent, confirmed, seen)
    tolerance = bench.limits.tolerance_ms(bench.profile)
    bar = f"the profile says {bench.window_ms:.0f} ± {tolerance:.0f} ms"
    if high == float("inf"):
        return Finding("relocks", "fail", f"still unlocked after {low:.0f} ms; {bar}")
    figures = {"open_window_min_ms": low, "open_window_max_ms": high}
    said = f"locked after {low:.0f} to {high:.0f} ms; {bar}"
    if low > bench.window_ms + tolerance or high < bench.window_ms - tolerance:
        return Finding("relocks", "fail", f"{said}: set the one or the other", figures)
    return Finding("relocks", "pass", said, figures)


async def _not_counted(bench: Bench, before: TurnstileStatus) -> Finding:
    after = await _settled(bench)
    counted = steps(before.counter_in, after.counter_in)
    if counted:
        said = f"counter_in went from {before.counter_in} to {after.counter_in} though nobody turned the arm"
        return Finding("pulse_not_counted", "fail", said)
    return Finding("pulse_not_counted", "pass", "the pulse alone counted nothing")


async def _judge_turn(bench: Bench, before: TurnstileStatus) -> Finding:
    after = await _settled(bench)
    went = steps(before.counter_in, after.counter_in), steps(before.counter_out, after.counter_out)
    if went != (1, 0):
        said = f"one turn inwards counted {went[0]} inwards and {went[1]} outwards instead of 1 and 0"
        return Finding("turn_counted_once", "fail", said)
    if after.unlocked:
        return Finding("turn_counted_once", "fail", "counted once, and the arm is still unlocked for the next one")
    return Finding("turn_counted_once", "pass", "counted once, and locked again at once")


async def _settled(bench: Bench) -> TurnstileStatus:
    """A reading some looks later: what counts twice does so by then."""
    for _ in range(5):
        await bench.pause()
        status = (await bench.look()).status
    return status


def _counted(before: TurnstileStatus, status: TurnstileStatus) -> bool:
    return (status.counter_in, status.counter_out) != (before.counter_in, before.counter_out)


def _why_no_pulse(status: TurnstileStatus) -> str:
    if status.fire_release:
        return "the fire panel holds the arm free"
    if status.fault:
        return "it reports a fault"
    return "it is unlocked already" if status.unlocked else ""


def _arm(status: TurnstileStatus) -> tuple[int, int, bool, bool]:
    return status.counter_in, status.counter_out, status.unlocked, status.fire_release


def _said(status: TurnstileStatus) -> str:
    return f"{'unlocked' if status.unlocked else 'locked'}, in {status.counter_in}, out {status.counter_out}"


def _detail(error: TurnstileUnreachable | Invalid) -> str:
    return error.detail if isinstance(error, TurnstileUnreachable) else str(error).rstrip(".")
