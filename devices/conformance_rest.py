"""Checks of a turnstile controller that move nothing: what it says while it is left alone.

Each takes the bench and answers its findings. TurnstileUnreachable is the caller's to judge.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from devices.conformance_bench import Bench
from devices.conformance_card import Finding
from devices.modbus_bus import BusRegistry, parse_bus
from devices.modbus_frames import describe_exception
from resort.errors import TurnstileUnreachable
from resort.ports import TurnstileStatus

STEPS_MAX = 0x8000  # a counter that differs by more than this between two readings ran backwards, or was read wrongly
WAITING_MAX = 1_000  # persons in one approach zone
COUNTER_MODULUS = 2**32


async def reachable(bench: Bench) -> list[Finding]:
    """The very first reading."""
    try:
        seen = await bench.look()
    except TurnstileUnreachable as error:
        return [Finding("reachable", "fail", str(error).rstrip("."))]
    return [Finding("reachable", "pass", f"answered in {seen.answered.ms_since(seen.asked):.1f} ms")]


async def firmware(bench: Bench) -> list[Finding]:
    """Zero is what an empty or a wrong register says."""
    if bench.profile.readings.firmware is None:
        return [Finding("firmware", "skipped", "the profile names no such register")]
    told = (await bench.look()).status.firmware
    if told == 0:
        return [Finding("firmware", "fail", "the register says 0: is its address right?")]
    return [Finding("firmware", "pass", f"{told >> 8}.{told & 0xFF} (0x{told:04x})", {"firmware": told})]


async def status_steady(bench: Bench) -> list[Finding]:
    """Two readings, one after the other."""
    first, second = (await bench.look()).status, (await bench.look()).status
    problem = _implausible(first) or _implausible(second) or _contradiction(first, second)
    if problem:
        return [Finding("status_steady", "fail", problem)]
    return [Finding("status_steady", "pass", f"in {first.counter_in}, out {first.counter_out}, twice alike")]


async def inputs(bench: Bench) -> list[Finding]:
    """A wrong polarity shows here: it says yes to everything at rest."""
    status = (await bench.look()).status
    wrong = [name for name, held in (("fault", status.fault), ("tamper", status.tamper)) if held]
    if wrong:
        said = f"reports {' and '.join(wrong)}: put it right, or set `inverted` if it is well"
        return [Finding("inputs", "fail", said)]
    if status.fire_release:
        return [Finding("inputs", "note", "the fire panel holds the arm free; set `inverted` if it does not")]
    return [Finding("inputs", "pass", "no fault, no tamper, no fire release")]


async def locked_at_rest(bench: Bench) -> list[Finding]:
    """An open window that somebody else began may end first."""
    if (await bench.look()).status.fire_release:
        return [Finding("locked_at_rest", "untried", "the fire panel holds the arm free")]
    if await bench.wait_locked():
        return [Finding("locked_at_rest", "pass", "locked")]
    said = "unlocked although nobody asked: does a site use it, or is `inverted` wrong?"
    return [Finding("locked_at_rest", "fail", said)]


async def quiet_readings(bench: Bench) -> list[Finding]:
    """Many readings in a row tell both how fast they are and what moves by itself."""
    times: list[float] = []
    before = (await bench.look()).status
    moved = ""
    for _ in range(bench.limits.readings):
        seen = await bench.look()
        times.append(seen.answered.ms_since(seen.asked))
        moved = moved or _movement(before, seen.status)
        before = seen.status
        await bench.pause()
    times.sort()
    p50, p99 = times[len(times) // 2], times[min(len(times) - 1, len(times) * 99 // 100)]
    timeout_ms = bench.profile.timings.timeout_ms
    good = p99 <= bench.limits.latency_share * timeout_ms
    said = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms of {len(times)} readings; the time-out is {timeout_ms} ms"
    counters = f"{len(times)} readings, none moved"
    return [
        Finding("counters_rest", "fail" if moved else "pass", moved or counters),
        Finding(
            "latency",
            "pass" if good else "fail",
            said if good else f"{said}, which should be over twice the slowest answer",
            {"status_p50_ms": p50, "status_p99_ms": p99},
        ),
    ]


async def unknown_address(bench: Bench, buses: BusRegistry) -> list[Finding]:
    """Not a bar: a controller that is silent here costs the lane nothing, but wrong addresses then look like a dead line."""
    taken = set(_addresses(msgspec.to_builtins(bench.profile)))
    address = next(free for free in range(0xFFFE, 0, -1) if free not in taken and free - 1 not in taken)
    table = bench.profile.readings.counter_in.table
    request = ReadHoldingRegistersRequest if table == "holding" else ReadInputRegistersRequest
    settings = parse_bus(bench.site.bus, bench.profile.timings.timeout_ms, shared=bench.profile.shared_connection)
    handle = buses.lease(settings, bench.site.unit)
    try:
        await handle.transact(request(address=address, count=1))
        said = f"reads {table} register {address}, which the profile does not name, without complaint"
    except TurnstileUnreachable as error:
        known = error.detail in {describe_exception(code) for code in range(256)}
        said = error.detail if known else f"no exception answer: {error.detail}"
    finally:
        await handle.close()
    return [Finding("unknown_address", "note", said)]


def steps(before: int, after: int) -> int:
    """By how much a counter went on, also past its end; negative when it ran backwards."""
    ahead = (after - before) % COUNTER_MODULUS
    return ahead if ahead < COUNTER_MODULUS // 2 else ahead - COUNTER_MODULUS


def _implausible(status: TurnstileStatus) -> str:
    if status.waiting is not None and status.waiting > WAITING_MAX:
        return f"{status.waiting} persons in the approach zone cannot be: is its address right?"
    if status.fire_release and not status.unlocked:
        return "the fire panel holds the arm free and yet it is locked"
    return ""


def _contradiction(first: TurnstileStatus, second: TurnstileStatus) -> str:
    for name in ("firmware", "fault", "tamper", "fire_release"):
        if getattr(first, name) != getattr(second, name):
            return f"{name} was {getattr(first, name)} and a moment later {getattr(second, name)}"
    for name in ("counter_in", "counter_out"):
        if abs(steps(getattr(first, name), getattr(second, name))) > STEPS_MAX:
            return f"{name} jumped from {getattr(first, name)} to {getattr(second, name)}: is the word order right?"
    return ""


def _movement(before: TurnstileStatus, after: TurnstileStatus) -> str:
    for name in ("counter_in", "counter_out"):
        moved = steps(getattr(before, name), getattr(after, name))
        if moved:
            way = "ran backwards" if moved < 0 else "went on"
            return f"{name} {way} from {getattr(before, name)} to {getattr(after, name)} though nobody was let through"
    return ""


def _addresses(part: Any) -> Iterator[int]:
    """Every address that stands anywhere in a profile."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "address":
                yield value
            else:
                yield from _addresses(value)
