"""`snowgate bench fuzz`: a million spoilt codes and frames, and what lies beyond them, against the parsers of outside bytes.

Promised: no input crashes a parser, and nothing is admitted or confirmed that is not genuine, byte for byte. The same
codes are then read once more with the check of the MAC taken away; if that admits nobody, the run has proved nothing.
"""

import asyncio
import inspect
from collections.abc import Callable, Sequence

from benchmarks.fuzz_codes import CodeFuzz
from benchmarks.fuzz_frames import FrameFuzz, RtuFuzz
from benchmarks.fuzz_report import Tally, Target
from benchmarks.fuzz_streams import STREAMS
from orchestrator.measured import Measured, machine
from resort.clock import Clock, SystemClock
from resort.errors import SnowgateError

CODES = 700_000
FRAMES = 300_000
RTU = 100_000
CONTROL = 20_000
TELL_EVERY_MS = 2_000
BLOCK = 500  # inputs between two looks at the clock


class FuzzFound(SnowgateError):
    """Something came through, or down."""

    code = "fuzz_found"

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found

    def __str__(self) -> str:
        return f"Fuzzing found what must not be: {self.found}."


async def measure(seed: int, seconds: float, told: Callable[[str], None]) -> Measured:
    """Run it; `seconds` is not used, as what is promised is a number of inputs. Raises FuzzFound when a promise is broken."""
    return await fuzz(seed, told)


async def fuzz(
    seed: int, told: Callable[[str], None], share: float = 1.0, streams: Sequence[tuple[Callable[[int], Target], int]] = STREAMS
) -> Measured:
    """The run with that share of the inputs. Raises FuzzFound."""
    clock = SystemClock()
    codes = await run(CodeFuzz(seed), round(CODES * share), clock, told)
    frame_fuzz, rtu_fuzz = FrameFuzz(seed), RtuFuzz(seed)
    try:
        frames = await run(frame_fuzz, round(FRAMES * share), clock, told)
        rtu = await run(rtu_fuzz, max(100, round(RTU * share)), clock, told)
    finally:
        frame_fuzz.close()
        rtu_fuzz.close()
    others = [await run(make(seed), max(100, round(number * share)), clock, told) for make, number in streams]
    control = await run(CodeFuzz(seed, signed=False), max(2_000, round(CONTROL * share)), clock, told)
    tallies = [codes, frames, rtu, *others]
    crashes = sum(tally.crashes for tally in tallies)
    grants = sum(tally.grants for tally in tallies)
    lost = sum(tally.lost for tally in tallies)
    figures = {
        "inputs": codes.inputs + frames.inputs,
        "crashes": crashes,
        "grants": grants,
        "genuine_refused": lost,
        "genuine_codes": codes.genuine,
        "control_inputs": control.inputs,
        "control_grants": control.grants,
        "codes_per_s": codes.inputs / codes.took_s,
        "frames_per_s": frames.inputs / frames.took_s,
        **{f"{tally.name.replace(' ', '_')}_inputs": tally.inputs for tally in others},
    }
    evidence = [line for tally in tallies for line in tally.evidence]
    for line in evidence:
        told(f"! {line}")
    if crashes or grants or lost:
        raise FuzzFound(f"{crashes} crashes, {grants} grants and {lost} genuine codes refused, seed {seed}")
    if not control.grants or not codes.genuine or not frames.genuine:
        raise FuzzFound("a control run that admits nobody, so nothing is proved")
    return Measured("fuzz", seed, machine(), figures, {}, {})


async def run(target: Target, inputs: int, clock: Clock, told: Callable[[str], None]) -> Tally:
    """So many inputs to one target."""
    tally = Tally(target.name)
    began = last = clock.now()
    while tally.inputs < inputs:
        for _ in range(min(BLOCK, inputs - tally.inputs)):
            try:
                verdict = target.try_one()
                tally.count(await verdict if inspect.isawaitable(verdict) else verdict, target)
            except Exception as error:
                tally.count_crash(error, target)
        await asyncio.sleep(0)  # let Ctrl-C in
        now = clock.now()
        if now.ms_since(last) >= TELL_EVERY_MS or tally.inputs == inputs:
            rate = tally.inputs / max(1e-9, now.ms_since(began) / 1_000)
            told(f"{tally.name}: {tally.inputs:,} of {inputs:,}, {rate:,.0f}/s, {tally.crashes} crashes, {tally.grants} grants")
            last = now
    tally.took_s = max(1e-9, clock.now().ms_since(began) / 1_000)
    return tally
