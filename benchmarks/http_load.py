"""A lean HTTP/1.1 load: the same request again and again over kept connections, as a closed crowd or as guests at random.

Leaner than any client library on purpose: what is measured is the server, on a machine whose two cores both have to share.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from resort.clock import Clock
from resort.errors import Unavailable

HEAD_END = b"\r\n\r\n"
WAIT_S = 10.0


@dataclass(slots=True)
class Answers:
    """What came back. `waited_ms` from the moment at which a request was due, so that a server that stalls is not flattered."""

    waited_ms: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0
    sample: bytes = b""  # the newest answer's body

    def count(self, status: int, waited_ms: float) -> None:
        """One answer."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.waited_ms.append(waited_ms)

    def good(self, status: int) -> int:
        """How many had that status. Raises Unavailable when others had another: the load was no load."""
        others = {code: number for code, number in self.statuses.items() if code != status}
        if others:
            raise Unavailable("The server under load", f"it answered {others} beside {status}")
        return self.statuses.get(status, 0)


class Connection:
    """One kept connection. Raises Unavailable when it breaks."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send it; the status and the body."""
        try:
            async with asyncio.timeout(WAIT_S):
                if self._reader is None or self._writer is None:
                    self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
                self._writer.write(request)
                head = (await self._reader.readuntil(HEAD_END)).lower()
                at = head.find(b"content-length:")
                length = int(head[at + 15 : head.index(b"\r\n", at)]) if at >= 0 else 0
                return int(head[9:12]), await self._reader.readexactly(length)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            raise Unavailable("The server under load", f"{type(error).__name__} {error}".strip()) from error

    async def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
            await self._writer.wait_closed()


def request_bytes(address: str, path: str, body: bytes) -> bytes:
    """A POST of JSON."""
    host = urlsplit(address).netloc
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def closed_load(address: str, requests: Sequence[bytes], crowd: int, seconds: float, clock: Clock) -> Answers:
    """`crowd` askers, each of whom asks again as soon as he is answered."""
    answers, began = Answers(), clock.now()

    async def asker(number: int) -> None:
        connection = Connection(address)
        try:
            turn = number
            while clock.now().ms_since(began) < seconds * 1000:
                due = clock.now()
                status, answers.sample = await connection.ask(requests[turn % len(requests)])
                answers.count(status, clock.now().ms_since(due))
                turn += crowd
        finally:
            await connection.close()

    await asyncio.gather(*(asker(number) for number in range(crowd)))
    answers.seconds = clock.now().ms_since(began) / 1000
    return answers


async def open_load(
    address: str, requests: Sequence[bytes], per_s: float, seconds: float, seed: int, clock: Clock, told: Callable[[int], None]
) -> Answers:
    """Guests at random (Poisson), `per_s` on average, whether or not earlier ones were answered."""
    dice = random.Random(seed)  # noqa: S311 - when guests come
    answers, began = Answers(), clock.now()
    free: list[Connection] = []
    under_way: set[asyncio.Task[None]] = set()

    async def guest(number: int, due_ms: float) -> None:
        connection = free.pop() if free else Connection(address)
        status, answers.sample = await connection.ask(requests[number % len(requests)])
        answers.count(status, clock.now().ms_since(began) - due_ms)
        free.append(connection)

    due_ms, number = 0.0, 0
    try:
        while due_ms < seconds * 1000:
            late_ms = due_ms - clock.now().ms_since(began)
            if late_ms > 0:
                await asyncio.sleep(late_ms / 1000)
            task = asyncio.create_task(guest(number, due_ms))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            number += 1
            if number % 1_000 == 0:
                told(number)
            due_ms += dice.expovariate(per_s) * 1000
        await asyncio.gather(*under_way)
    finally:
        for connection in free:
            await connection.close()
    answers.seconds = clock.now().ms_since(began) / 1000
    return answers
