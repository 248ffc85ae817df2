"""The stage as a child process: `Stage` over a pair of pipes to `python -m sim.stage`."""

import asyncio
import contextlib
import sys
from datetime import date
from pathlib import Path

import msgspec

from orchestrator.stages import StageAddresses
from resort.errors import Bug, Unavailable
from sim.stage import StageAnswer, StageOrder

START_S = 30.0
ANSWER_S = 20.0
STOP_S = 3.0


class StageProcess:
    """Implements `orchestrator.stages.Stage`. The child ends with us: its input is our pipe."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self, site_file: Path, seed: int) -> StageAddresses:
        """See the protocol."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "sim.stage", "--site", str(site_file), "--seed", str(seed)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        return msgspec.json.decode(await self._line(START_S), type=StageAddresses)

    async def open_doors(self, console: str, channel_key: str, day: date) -> None:
        """See the protocol. The key travels by the pipe: arguments can be read by everybody on the machine."""
        await self._ask(StageOrder("open", console=console, channel_key=channel_key, day=day))

    async def pause(self) -> dict[str, int]:
        """See the protocol."""
        return (await self._ask(StageOrder("pause"))).counts

    async def release(self, lane_id: str, *, on: bool) -> None:
        """See the protocol."""
        await self._ask(StageOrder("release", lane=lane_id, on=on))

    async def fault(self, lane_id: str, *, on: bool) -> None:
        """See the protocol."""
        await self._ask(StageOrder("fault", lane=lane_id, on=on))

    async def stop(self) -> None:
        """See the protocol."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _ask(self, order: StageOrder) -> StageAnswer:
        async with self._turn:
            process = self._process
            if process is None or process.stdin is None:
                raise Unavailable("The rehearsal stage", "it is not running")
            try:
                process.stdin.write(msgspec.json.encode(order) + b"\n")
                await process.stdin.drain()
            except ConnectionError as error:
                raise Unavailable("The rehearsal stage", "it has ended") from error
            answer = msgspec.json.decode(await self._line(ANSWER_S), type=StageAnswer)
        if answer.problem:
            raise Bug(f"the stage refused an order: {answer.problem}")
        return answer

    async def _line(self, patience_s: float) -> bytes:
        if self._process is None or self._process.stdout is None:
            raise Unavailable("The rehearsal stage", "it is not running")
        try:
            async with asyncio.timeout(patience_s):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise Unavailable("The rehearsal stage", f"no answer within {patience_s:g} s") from None
        if not line:
            raise Unavailable("The rehearsal stage", "it has ended; its errors stand above")
        return line
