"""Programs that run beside us and are spoken to by pipes: begun whole, ended without a trace, also when whoever wants one is
cancelled. What they are told is the caller's business."""

import asyncio
import contextlib
from asyncio.subprocess import DEVNULL, PIPE, Process


async def begin(*command: str, hear_out: bool = False, hear_error: bool = False) -> Process:
    """Start `command` with a pipe to its input, and pipes from what is to be heard. Raises OSError.

    Cancelled, it leaves no process: asyncio ends one that is half made.
    """
    return await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE if hear_out else DEVNULL, stderr=PIPE if hear_error else DEVNULL
    )


async def end(process: Process) -> None:
    """Kill it if it still runs, take its exit and close its pipes. Idempotent."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.communicate()
