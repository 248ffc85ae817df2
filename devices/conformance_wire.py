"""Checks of a turnstile controller that need a hand on the line: what its bytes are, and what a broken line leads to.

The bench's driver goes through a `TappedLine`. Each check takes both and answers its findings; each may unlock the arm once.
"""

from devices.conformance_arm import untried, window
from devices.conformance_bench import Bench, Watched
from devices.conformance_card import Finding
from devices.conformance_line import TappedLine
from resort.errors import TurnstileUnreachable

WRITES = 10
GIVE_UP_AFTER = 10  # times the limit: then it is not waited for any more
LATE_ATTEMPTS = 3


async def write_echo(bench: Bench, tap: TappedLine) -> list[Finding]:
    """By its lamp where it has one, or else by one pulse; a reading at the end would find an answer too many."""
    try:
        if bench.profile.commands.indicator is not None:
            for number in range(WRITES):
                await bench.turnstile.show("idle" if number % 2 else "go")
        else:
            await bench.turnstile.pulse_entry()
        await bench.look()
        orders = tap.writes
    except TurnstileUnreachable as error:
        return [Finding("write_echo", "fail", tap.echo_problem() or error.detail)]
    finally:
        await _lock(bench)
    problem = tap.echo_problem()
    if problem:
        return [Finding("write_echo", "fail", problem)]
    return [
        Finding("write_echo", "pass", f"{orders} {'order' if orders == 1 else 'orders'}, each answered once by its exact echo")
    ]


async def reconnect(bench: Bench, tap: TappedLine) -> list[Finding]:
    """The line breaks when a pulse was carried out and not yet confirmed: the worst moment for who would repeat it."""
    await bench.look()
    writes, tap.cut_next_write = tap.writes, True
    sent = bench.clock.now()
    try:
        await bench.turnstile.pulse_entry()
        return untried(("reconnect",), "the pulse was confirmed before the line could be cut")
    except TurnstileUnreachable as error:
        if not tap.was_cut.is_set():
            return untried(("reconnect",), f"the pulse came to nothing before the line was cut: {error.detail}")
    cut = bench.clock.now()
    limit = bench.limits.serve_within_ms
    seen = await _first_answer(bench, GIVE_UP_AFTER * limit)
    if seen is None:
        return [Finding("reconnect", "fail", f"not served again within {GIVE_UP_AFTER * limit:.0f} ms")]
    served_ms = seen.answered.ms_since(cut)
    _, high = await window(bench, sent, sent, [seen]) if seen.status.unlocked else ([], 0.0)
    repeated = tap.writes - writes - 1
    figures = {"served_again_ms": served_ms}
    if repeated > 0:
        return [Finding("reconnect", "fail", f"{repeated} more than the one order that was given went over the line", figures)]
    if high == float("inf"):
        return [Finding("reconnect", "fail", "the arm did not lock again after the line was cut", figures)]
    if served_ms > limit:
        return [Finding("reconnect", "fail", f"served again after {served_ms:.0f} ms; the bar is {limit:.0f} ms", figures)]
    return [Finding("reconnect", "pass", f"served again after {served_ms:.0f} ms, the pulse was sent once", figures)]


async def late_reply(bench: Bench, tap: TappedLine) -> list[Finding]:
    """A status that says locked is held back beyond the time-out; after a pulse it comes right before the true answer.

    On RTU no driver could tell the two apart: ours asks a unit that owes an answer nothing for 500 ms, and no pulse either, so
    nothing that the line can do within that time would show whether it does.
    """
    if not tap.numbered:
        return [Finding("late_reply", "skipped", "on RTU such an answer cannot be told from a new one")]
    for _ in range(LATE_ATTEMPTS):
        if not await bench.wait_locked():
            break
        tap.holding = True
        try:
            await bench.turnstile.status()
            return [Finding("late_reply", "fail", "a status came although its answer was held back")]
        except TurnstileUnreachable:
            pass
        finally:
            tap.holding = False
        before = await _first_pulse(bench)
        if before is None:
            break
        ordered, tap.deliver_held = bench.clock.now(), tap.held > 0
        delivered = tap.deliver_held
        seen = await _first_answer(bench, GIVE_UP_AFTER * bench.limits.serve_within_ms)
        tap.deliver_held = False
        if seen is None:
            return [Finding("late_reply", "fail", "a late answer, and it is not served any more")]
        shut_by_now = seen.answered.ms_since(ordered) >= bench.window_ms - bench.limits.tolerance_ms(bench.profile)
        if not seen.status.unlocked and (shut_by_now or seen.status.counter_in != before.status.counter_in):
            continue  # the window was over, or somebody turned the arm: this tells nothing
        if not seen.status.unlocked:
            return [Finding("late_reply", "fail", "a late answer (locked) was taken for the new one (unlocked)")]
        how = "came before the true one and was thrown away" if delivered else "ended with the connection that it belonged to"
        return [Finding("late_reply", "pass", f"a late answer {how}")]
    return untried(("late_reply",), "its arm was not unlocked long enough to tell a late answer from a new one")


async def _first_pulse(bench: Bench) -> Watched | None:
    """A pulse as soon as the line is there again; None when it came to nothing."""
    if await _first_answer(bench, bench.limits.serve_within_ms) is None:
        return None
    seen = await bench.look()
    try:
        await bench.turnstile.pulse_entry()
    except TurnstileUnreachable:
        return None
    return seen


async def _first_answer(bench: Bench, within_ms: float) -> Watched | None:
    """The first reading that comes through again; None when none does."""
    began = bench.clock.now()
    while True:
        try:
            return await bench.look()
        except TurnstileUnreachable:
            if bench.clock.now().ms_since(began) > within_ms:
                return None
            await bench.pause()


async def _lock(bench: Bench) -> None:
    """Leave the lamp idle and the arm locked as far as the line allows; the end of the examination looks again."""
    try:
        await bench.turnstile.show("idle")
        await bench.wait_locked()
    except TurnstileUnreachable:
        return
