"""The stage process: `python -m sim.stage --site FILE --seed N`.

It plays every simulated device of a site over real protocols (Modbus TCP, MJPEG over HTTP, scanner lines over TCP) and sends
the guests: the crowd of `sim/guests.py` while the doors are open, or a drill's load (`sim/load.py`). It prints one line of JSON
when it is ready, then obeys lines of JSON on standard input and answers each with one line; it ends when its input ends, so it
never outlives who started it. `sim/stage_process.py` is the other end of these pipes.
"""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

import msgspec
import uvloop

from orchestrator.settings import load_site
from resort.errors import Invalid, SnowgateError, Unavailable
from sim.stage_cast import StageCast
from sim.stage_orders import StageAnswer, StageOrder, StageReady


async def play(site_file: Path, seed: int) -> int:
    """Play until the input ends or says stop; answers the exit code."""
    try:
        cast = StageCast(load_site(site_file), seed)
    except Invalid as error:
        _say(StageReady(ready=False, problem=str(error)))
        return 2
    transport, lines = await _standard_input()
    try:
        addresses = await cast.start()
        _say(StageReady(ready=True, buses=addresses.buses, cameras=addresses.cameras))
        await _obey_until_end(cast, lines)
    except Unavailable as error:
        _say(StageReady(ready=False, problem=str(error)))
        return 2
    except BrokenPipeError:
        pass  # who started us is gone
    finally:
        transport.close()
        await cast.stop()
    return 0


async def _standard_input() -> tuple[asyncio.ReadTransport, asyncio.StreamReader]:
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    return transport, lines


async def _obey_until_end(cast: StageCast, lines: asyncio.StreamReader) -> None:
    """Orders are carried out one after the other. The end of the input interrupts whatever is under way."""
    orders: asyncio.Queue[StageOrder] = asyncio.Queue()
    obeying = asyncio.create_task(_obey(cast, orders), name="stage orders")
    reading = asyncio.create_task(_read(lines, orders), name="stage input")
    await asyncio.wait((obeying, reading), return_when=asyncio.FIRST_COMPLETED)
    for task in (obeying, reading):
        task.cancel()
    for outcome in await asyncio.gather(obeying, reading, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


async def _read(lines: asyncio.StreamReader, orders: asyncio.Queue[StageOrder]) -> None:
    """Until the input ends or says stop."""
    while True:
        try:
            line = await lines.readline()
            if not line:
                return
            order = msgspec.json.decode(line, type=StageOrder)
        except ValueError as error:  # also of lines without an end, and of what is no UTF-8
            _say(StageAnswer(problem=f"order: {error}."))
            continue
        if order.do == "stop":
            return
        orders.put_nowait(order)


async def _obey(cast: StageCast, orders: asyncio.Queue[StageOrder]) -> None:
    while True:
        order = await orders.get()
        try:
            answer = await cast.obey(order)
        except SnowgateError as error:
            answer = StageAnswer(problem=str(error))
        _say(msgspec.structs.replace(answer, number=order.number))


def _say(answer: StageReady | StageAnswer) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(description="Play the simulated devices and guests of a site.")
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started us; our input then ends
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(play(arguments.site, arguments.seed)))


if __name__ == "__main__":
    main()
