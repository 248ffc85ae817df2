"""The stage as a child process: `Stage` over a pair of pipes to `python -m sim.stage`."""

import asyncio
import contextlib
import sys
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from orchestrator.stages import LoadOrder, LoadTally, StageAddresses
from resort.errors import Bug, Invalid, Unavailable
from sim.stage_orders import StageAnswer, StageOrder, StageReady

START_S = 30.0
ANSWER_S = 20.0
STOP_S = 2.5  # then it is killed, which takes effect at once
LINE_BYTES = 2**20  # the addresses of a site with some ten thousand lanes
ROOT = Path(__file__).parent.parent  # where `-m sim.stage` is found even when nothing is installed

Line = TypeVar("Line", StageReady, StageAnswer)


class StageProcess:
    """Implements `orchestrator.stages.Stage`. The child ends with us: its input is our pipe."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._number = 0

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self, site_file: Path, seed: int) -> StageAddresses:
        """See the protocol. Nothing runs after an error. Raises Unavailable."""
        if self._process is not None:
            raise Bug("the rehearsal stage was started twice")
        site = str(await asyncio.to_thread(site_file.resolve))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "sim.stage", "--site", site, "--seed", str(seed)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
            cwd=ROOT,
            start_new_session=True,
        )
        try:
            ready = self._decode(await self._line(START_S), StageReady)
            if not ready.ready:
                raise Unavailable("The rehearsal stage", ready.problem.rstrip("."))
        except BaseException:
            await self.stop()
            raise
        return StageAddresses(ready.buses, ready.cameras)

    async def open_doors(self, console: str, channel_key: str, day: date) -> None:
        """See the protocol. The key travels by the pipe: arguments can be read by everybody on the machine."""
        await self._ask("open", console=console, channel_key=channel_key, day=day)

    async def load(self, console: str, channel_key: str, day: date, order: LoadOrder) -> None:
        """See the protocol. The truth file's path is taken as seen from here."""
        truth = str(await asyncio.to_thread(Path(order.truth).resolve))
        order = msgspec.structs.replace(order, truth=truth)
        await self._ask("load", console=console, channel_key=channel_key, day=day, load=order)

    async def go(self) -> None:
        """See the protocol."""
        await self._ask("go")

    async def tally(self) -> LoadTally:
        """See the protocol."""
        return (await self._ask("tally")).tally or LoadTally()

    async def pause(self) -> dict[str, int]:
        """See the protocol."""
        return (await self._ask("pause")).counts

    async def release(self, lane_id: str, *, on: bool) -> None:
        """See the protocol."""
        await self._ask("release", lane=lane_id, on=on)

    async def fault(self, lane_id: str, *, on: bool) -> None:
        """See the protocol."""
        await self._ask("fault", lane=lane_id, on=on)

    async def silence(self, lane_id: str, *, on: bool, obeys: bool = False) -> int:
        """See the protocol."""
        return (await self._ask("silence", lane=lane_id, on=on, obeys=obeys)).tick_ns

    async def stop(self) -> None:
        """See the protocol."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await process.wait()
        finally:  # it was slow, or we are in a hurry
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def _ask(self, do: str, **details: Any) -> StageAnswer:
        """Give an order and wait for its answer; answers to orders that were given up on are skipped."""
        async with self._turn:
            process = self._process
            if process is None or process.stdin is None:
                raise Unavailable("The rehearsal stage", "it is not running")
            self._number += 1
            try:
                process.stdin.write(msgspec.json.encode(StageOrder(do, self._number, **details)) + b"\n")
                await process.stdin.drain()
            except ConnectionError as error:
                raise Unavailable("The rehearsal stage", "it has ended") from error
            answer = self._decode(await self._line(ANSWER_S), StageAnswer)
            while answer.number < self._number:
                answer = self._decode(await self._line(ANSWER_S), StageAnswer)
        if answer.problem:
            raise Invalid("stage order", answer.problem.rstrip("."))
        return answer

    async def _line(self, patience_s: float) -> bytes:
        if self._process is None or self._process.stdout is None:
            raise Unavailable("The rehearsal stage", "it is not running")
        try:
            async with asyncio.timeout(patience_s):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise Unavailable("The rehearsal stage", f"no answer within {patience_s:g} s") from None
        except ValueError as error:
            raise Unavailable("The rehearsal stage", f"it talks without end ({error})") from error
        if not line:
            raise Unavailable("The rehearsal stage", "it has ended; its errors stand above")
        return line

    @staticmethod
    def _decode(line: bytes, line_type: type[Line]) -> Line:
        try:
            return msgspec.json.decode(line, type=line_type)
        except ValueError as error:
            raise Unavailable("The rehearsal stage", f"it says what nobody understands ({error})") from error
