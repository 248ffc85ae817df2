"""One run of a drill, from opening the stand to the verdict."""

import asyncio
import contextlib
import os
from collections.abc import Callable

from benchmarks.drills.plan import NEVER, DrillPlan
from benchmarks.drills.site_process import until
from benchmarks.drills.stand import Stand
from benchmarks.drills.witness import Observed, Verdict, judge
from orchestrator.drills import DrillAsk, DrillOutcome
from orchestrator.measured import Measured, machine
from orchestrator.stages import LoadMix
from resort.errors import SnowgateError, Unavailable
from resort.messages import JournalEvent
from sim.truth import read_truth

SETTLE_S = 30.0
ROUND_SCANS = 8  # guests for each lane in the closing round
HONEST = LoadMix(again_here=0.0, again_elsewhere=0.0, twin=0.0, forged=0.0, not_ours=0.0, wrong_day=0.0)


async def run_drill(plan: DrillPlan, ask: DrillAsk, told: Callable[[str], None]) -> DrillOutcome:
    """Run it. Raises Unavailable when the stand itself cannot be had."""
    async with Stand(plan, ask, told) as stand:
        await _break_things(stand)
        dead_lanes = await _closing_round(stand)
        unsettled = await _settle(stand)
        code = await stand.site.close()
        verdict = _verdict(stand, await stand.view.events())
        told(f"the site closed with {code}; {verdict.figures['turns']} turns, {verdict.figures['events']} events")
        return _outcome(stand, verdict, {"dead_lanes": dead_lanes, "unsettled": unsettled})


async def _break_things(stand: Stand) -> None:
    for number in range(stand.ask.kills):
        fault = stand.dice.choice(stand.plan.faults)
        try:
            await stand.keep_loaded()
            await asyncio.sleep(stand.dice.uniform(*stand.plan.pause_s))
            await fault(stand)
        except SnowgateError as error:
            stand.remarks.append(f"{fault.__name__}: {error}")
            if stand.ask.control:
                break  # a site without its guard may be beyond help; what it did until then is judged
            raise
        with contextlib.suppress(Unavailable):
            await stand.look_at_board()
        stand.told(f"{number + 1:4} {fault.__name__}: {_last(stand)}")
    with contextlib.suppress(Unavailable):
        await stand.until_left()


def _last(stand: Stand) -> str:
    return ", ".join(f"{name} {values[-1]:.2f}" for name, values in stand.measured.items())


async def _closing_round(stand: Stand) -> int:
    """Nothing is broken any more: honest guests come to every lane once more. Answers how many lanes let nobody in."""
    lanes = list(stand.ports.values())
    began = stand.now_ns
    try:
        if not (await stand.stage.tally()).done:
            await stand.stage.pause()  # guests who wait at a lane that is beyond help
        await stand.begin_load(ROUND_SCANS * len(lanes), HONEST)
        await stand.until_left()
    except SnowgateError as error:
        stand.remarks.append(f"closing round: {error}")
    await asyncio.sleep(0.1)  # the tail reads on
    dead = [lane_id for lane_id in lanes if stand.tail.unlocked_after(began, lane_id) is None]
    if dead:
        stand.remarks.append(f"let nobody in at the end: {', '.join(dead)}")
    return len(dead)


async def _settle(stand: Stand) -> int:
    """Wait until SQL has as many turns as the steel; answers how many it still lacks when patience is over."""

    async def settled() -> bool:
        return (await stand.view.turns() or 0) >= stand.tail.turns

    with contextlib.suppress(Unavailable):
        await stand.look_at_board()
    try:
        await until(settled, SETTLE_S if not stand.ask.control else SETTLE_S / 3, "SQL")
    except Unavailable:
        return max(0, stand.tail.turns - (await stand.view.turns() or 0))
    return 0


def _verdict(stand: Stand, events: list[JournalEvent]) -> Verdict:
    seen = Observed()
    for record in read_truth(stand.truth):
        seen.take(record)
    return judge(seen, events, stand.today)


def _outcome(stand: Stand, verdict: Verdict, counted: dict[str, int]) -> DrillOutcome:
    plan = stand.plan
    figures: dict[str, float] = {
        **verdict.figures,
        "kills": stand.kills,
        "acknowledged_missing": max(0, stand.told_passages - verdict.figures["passages"]),
        **counted,
        **{name: round(max(values), 3) for name, values in stand.measured.items()},
    }
    figures.setdefault("recovery_max_s", 0.0)
    figures["load_average"] = round(os.getloadavg()[0], 1)  # of the machine: bars in seconds suppose cores that are free
    bars = {**dict.fromkeys((*NEVER, "history_findings", "dead_lanes"), 0.0), **plan.bars}
    above = [name for name, most in bars.items() if figures.get(name, 0.0) > most]
    remarks = [*stand.remarks, *verdict.remarks()]
    if stand.ask.control:
        shown = [name for name in plan.shows if name in above]
        held = bool(shown)
        remarks.append(f"the guard was off and {', '.join(shown) or 'nothing of ' + ', '.join(plan.shows)} showed it")
    else:
        held = not above and stand.kills >= stand.ask.kills
        remarks += [f"{name} is {figures[name]:g}, and may be {bars[name]:g} at most" for name in above]
        if not held:
            stand.kept = True
            remarks.append(f"journal, truth and log are kept in {stand.folder}")
    name = f"drill {plan.name}{' control' if stand.ask.control else ''}"
    measured = Measured(name, stand.ask.seed, machine(), figures, bars, {})
    return DrillOutcome(measured, held, tuple(remarks))
