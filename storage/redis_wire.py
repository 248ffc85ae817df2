"""One connection to Redis (or Valkey) for whoever packs commands himself: bytes out, that many answers in, in order.

Connecting (address, TLS, sign-in, database) is redis-py's; its transport is then taken over, since half of a lane's CPU went
into redis-py's packing and reading of commands one by one. Knows no commands.
"""

import asyncio
from collections.abc import Callable

import hiredis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as LinkError
from redis.exceptions import InvalidResponse, RedisError, ResponseError
from redis.exceptions import TimeoutError as SilenceError

Failure = RedisError | OSError
OnAnswers = Callable[[list[object]], None]
OnFailure = Callable[[Failure], None]
NO_LIMIT_S = 3600.0


class _Session(asyncio.Protocol):
    """One connection from its sign-in to its end. Counts the answers to one request at a time."""

    def __init__(self, told: asyncio.BaseProtocol, done: OnAnswers, lost: OnFailure) -> None:
        self.over = False
        self.awaited = 0
        self.progress = False  # something was received since this was last set to False
        self._told = told  # redis-py's, which wants to hear when the connection is closed
        self._done = done
        self._lost = lost
        self._reader = hiredis.Reader(protocolError=InvalidResponse, replyError=ResponseError)
        self._answers: list[object] = []

    def data_received(self, data: bytes) -> None:
        """Some answers, perhaps the last one only in part."""
        if self.over:
            return
        self.progress = True
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not False:
                if not isinstance(answer, hiredis.PushNotification):  # nobody here subscribes to anything
                    self._answers.append(answer)
        except RedisError as error:
            self.end(error)
            return
        if len(self._answers) > self.awaited:
            self.end(InvalidResponse("it answered more than it was asked"))
        elif self.awaited and len(self._answers) == self.awaited:
            answers, self._answers, self.awaited = self._answers, [], 0
            self._done(answers)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._told.connection_lost(exc)
        self.end(exc if isinstance(exc, OSError) else LinkError("the connection was lost"))

    def end(self, error: Failure) -> None:
        """No answer counts any more. Idempotent."""
        if not self.over:
            self.over = True
            self._lost(error)


class RedisWire:
    """Use `connect`, then `send` while `ready`, one request at a time. Exactly one of the two callbacks follows each `send`:
    `on_answers` with one answer a command (a refusal by the server is a ResponseError among them), or `on_failure`, after which
    the wire is down until `connect` is called again. What was sent may have been done all the same."""

    def __init__(self, redis: Redis, on_answers: OnAnswers, on_failure: OnFailure) -> None:
        self._connection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        self._timeout_s = self._connection.socket_timeout or NO_LIMIT_S
        self._on_answers = on_answers
        self._on_failure = on_failure
        self._transport: asyncio.WriteTransport | None = None
        self._session: _Session | None = None
        self._deadline = 0.0  # event loop time
        self._watch: asyncio.TimerHandle | None = None

    @property
    def ready(self) -> bool:
        """Whether something may be sent, unless a request is under way."""
        return self._session is not None and not self._session.over

    async def connect(self) -> None:
        """Connect anew. Raises RedisError or OSError after the connection's time-out."""
        self._session = None
        await self._connection.disconnect(nowait=True)
        await self._connection.connect()
        # redis-py has no public way to the socket that it has signed in on.
        writer: asyncio.StreamWriter = self._connection._writer
        told = writer.transport.get_protocol()
        self._transport = writer.transport
        self._session = _Session(told, self._on_answers, self._lost)
        writer.transport.set_protocol(self._session)
        if writer.transport.is_closing():
            raise LinkError("the connection was closed at once")

    def send(self, packed: bytes, commands: int) -> None:
        """Send that many packed commands."""
        assert self._session is not None
        assert self._transport is not None
        assert self._session.awaited == 0
        self._session.awaited = commands
        self._transport.write(packed)
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + self._timeout_s
        if self._watch is None:
            self._watch = loop.call_at(self._deadline, self._look)

    def drop(self) -> None:
        """Hang up at once; a request under way has failed. `connect` may follow."""
        if self._session is not None:
            self._session.end(LinkError("given up"))

    async def close(self) -> None:
        """Hang up and wait until the socket is closed. Idempotent."""
        if self._session is not None:
            self._session.over = True
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        await self._connection.disconnect()

    def _look(self) -> None:
        """One timer for all requests: most are answered long before it rings, and then it is only set anew."""
        self._watch = None
        session, loop = self._session, asyncio.get_running_loop()
        if session is None or session.over or session.awaited == 0:
            return
        if session.progress:
            session.progress = False
            self._deadline = max(self._deadline, loop.time() + self._timeout_s)
        if loop.time() < self._deadline:
            self._watch = loop.call_at(self._deadline, self._look)
        else:
            session.end(SilenceError(f"no answer within {self._timeout_s:g} s"))

    def _lost(self, error: Failure) -> None:
        if self._transport is not None:
            self._transport.abort()
        if self._session is not None and self._session.awaited:
            self._on_failure(error)
