"""The site under test: `snowgate up` as a real child process, and the outside means of seeing, asking and killing it.

Process table, sockets, HTTP: nothing here reaches into the site's own objects. A killed site leaves processes behind, as in
life; the next start on the same data folder ends them, and `bury` makes sure of it at the end.
"""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec
import psutil

from orchestrator.leftovers import end_processes
from resort.errors import Unavailable

OPEN_S = 120.0
CLOSE_S = 60.0
LOOK_S = 0.01  # other processes' doings are no events of ours: they are looked at so often
ASK_S = 6.0
ROOT = Path(__file__).parents[2]
STARTERS = ("raylet", "gcs_server")
_OPEN = re.compile(r"The resort is open after .* Console: (\S+)(?:\n.*)*\nCtrl-C closes it")  # whose password it said by then
_PASSWORD = re.compile(r"with the password (\S+)")
T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T | None]], patience_s: float, what: str) -> T:
    """The first answer of `look` that is not None (or empty, or False). Raises Unavailable naming `what`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            while True:
                found = await look()
                if found:
                    return found
                await asyncio.sleep(LOOK_S)
    raise Unavailable(what, f"not within {patience_s:g} s")


class SiteProcess:
    """One site on a data folder, over as many lives as a drill gives it."""

    def __init__(self, site_file: Path, data: Path, drill_file: Path | None, environment: Mapping[str, str]) -> None:
        self.data = data
        self.address = ""
        self._command = [
            *(sys.executable, "-m", "orchestrator", "up", "--site", str(site_file), "--data", str(data)),
            *("--port", "0", "--no-guests"),
            *(() if drill_file is None else ("--drill", str(drill_file))),
        ]
        self._environment = {**os.environ, **environment}
        self._log = data.parent / "site.log"
        self._said_from = 0
        self._password = ""
        self._process: asyncio.subprocess.Process | None = None
        self._ever: dict[int, psutil.Process] = {}
        self._session: aiohttp.ClientSession | None = None

    # ---- life and death

    async def open(self) -> None:
        """Start it and wait until it says that it is open; signed in afterwards. Raises Unavailable."""
        self._said_from = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            # A session of its own: what is killed is this site, never the drill.
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdout=log, stderr=log, cwd=ROOT, env=self._environment, start_new_session=True
            )
        found = await until(self._open_words, OPEN_S, "The site under test")
        self.address = found[1]
        told = _PASSWORD.search(self.said())
        self._password = told[1] if told else self._password
        self.family()
        await self._sign_in()

    async def close(self) -> int:
        """Ctrl-C; answers the exit code. Raises Unavailable when it does not end."""
        self.family()
        if self._process is None or self._process.returncode is not None:
            return -1
        os.killpg(self._process.pid, signal.SIGINT)
        try:
            async with asyncio.timeout(CLOSE_S):
                return await self._process.wait()
        except TimeoutError:
            raise Unavailable("The site under test", f"it did not close within {CLOSE_S:g} s") from None

    async def kill(self) -> int:
        """SIGKILL to everything that belongs to it, all at once, as when the power goes; answers how many processes."""
        self._freeze()
        family = self.family()
        _kill_first(family)
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        if self._process is not None:
            await self._process.wait()
        await asyncio.to_thread(psutil.wait_procs, family, 5.0)
        return len(family)

    async def bury(self) -> None:
        """End whatever is left of all its lives. Idempotent."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        self._freeze()
        self.family()
        living = [process for process in self._ever.values() if process.is_running()]
        _kill_first(living)
        await asyncio.to_thread(end_processes, living)
        if self._process is not None:
            await self._process.wait()

    def _freeze(self) -> None:
        """Keep a site that is just opening from starting anything that nobody would find."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGSTOP)

    def said(self) -> str:
        """What its present life has said so far."""
        return self._log.read_bytes()[self._said_from :].decode(errors="replace")

    # ---- seen from outside

    def family(self) -> list[psutil.Process]:
        """Every process that belongs to its present life."""
        if self._process is None or self._process.returncode is not None:
            return []
        try:
            own = psutil.Process(self._process.pid)
            found = [own, *own.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []
        self._ever.update({process.pid: process for process in found})
        return found

    def processes(self, title: str) -> list[psutil.Process]:
        """Its processes whose title begins so: `ray::LaneActor`, or a program's name."""
        found = []
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                line = process.cmdline()
                # Some write their addresses behind their name, into the same word.
                name = line[0].split(" ")[0].rpartition("/")[2] if line else ""
                if name.startswith(title) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return sorted(found, key=lambda process: process.pid)

    @staticmethod
    def connected_to(process: psutil.Process, ports: Mapping[int, str]) -> list[str]:
        """To which of these places, by port, the process has a connection: tells which lanes it hosts."""
        with contextlib.suppress(psutil.Error):
            remote = [link.raddr.port for link in process.net_connections("tcp") if link.raddr]
            return sorted({ports[port] for port in remote if port in ports})
        return []

    # ---- asked over HTTP

    async def lanes(self) -> dict[str, dict[str, Any]]:
        """The lanes as a console sees them, by id. Raises Unavailable."""
        board = await self._ask("GET", "/api/gates")
        return {lane["lane_id"]: lane for lane in board["lanes"]}

    async def takes_orders(self, lane_id: str) -> bool:
        """Whether the lane's gate takes an order: it is told to keep the lane open."""
        try:
            await self._ask("PUT", f"/api/lanes/{lane_id}/mode", {"mode": "open"})
        except Unavailable:
            return False
        return True

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        if self._session is None:
            raise Unavailable("The site under test", "nobody is signed in")
        try:
            content = msgspec.json.encode(body) if body is not None else None
            async with self._session.request(method, self.address + path, data=content) as answer:
                read = await answer.read()
                if answer.status >= 400:
                    raise Unavailable("The site under test", f"it answers {path} with {answer.status}")
                return msgspec.json.decode(read) if read else None
        except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError) as error:
            raise Unavailable("The site under test", f"{path}: {type(error).__name__}") from error

    async def _sign_in(self) -> None:
        if self._session is not None:
            await self._session.close()
        self._session = aiohttp.ClientSession(
            headers={"Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=ASK_S),
            cookie_jar=aiohttp.CookieJar(unsafe=True),  # takes cookies of an address without a name
        )
        await self._ask("POST", "/api/session", {"name": "admin", "password": self._password})

    async def _open_words(self) -> re.Match[str] | None:
        if self._process is not None and self._process.returncode is not None:
            words = self.said().strip().splitlines()
            raise Unavailable("The site under test", f"it ended at once: {words[-1] if words else 'without a word'}")
        return _OPEN.search(self.said())


def _kill_first(family: Iterable[psutil.Process]) -> None:
    """End those first that would start others in place of the ended."""
    for process in family:
        with contextlib.suppress(psutil.Error):
            if process.name() in STARTERS:
                process.send_signal(signal.SIGKILL)
