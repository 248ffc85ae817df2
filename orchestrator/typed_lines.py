"""Lines that somebody types at the terminal, without keeping a program from ending: no thread waits for them."""

import asyncio
import os
import sys

from resort.errors import Invalid

_BYTES = 4096


class TypedLines:
    """`async with`, then `line` over and over. Standard input is read as it comes, also from a pipe."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._rest = b""
        self._file: int | None = None

    async def __aenter__(self) -> "TypedLines":
        """Raises Invalid when there is no standard input to listen to."""
        try:
            self._file = sys.stdin.fileno()
            asyncio.get_running_loop().add_reader(self._file, self._read)
        except (OSError, ValueError, AttributeError) as error:
            self._file = None
            raise Invalid("standard input", "nobody can type there; use a terminal or a pipe") from error
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Listen no more."""
        self._stop()

    async def line(self) -> str | None:
        """The next line without its end; None when no more will come."""
        line = await self._lines.get()
        if line is None:
            self._lines.put_nowait(None)
        return line

    def _read(self) -> None:
        assert self._file is not None
        try:
            data = os.read(self._file, _BYTES)
        except OSError:
            data = b""
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._lines.put_nowait(line.decode("utf-8", "replace").strip())
        if not data:
            self._stop()
            self._lines.put_nowait(None)

    def _stop(self) -> None:
        if self._file is not None:
            asyncio.get_running_loop().remove_reader(self._file)
            self._file = None
