"""Clients of Redis (or Valkey) whose every wait can be cancelled.

redis-py guards each write with `asyncio.wait_for`, which on Python 3.11 forgets a cancellation that comes in the moment the
write ends: a task that reads for ever then never stops, and its actor does not close. Here the guard is `asyncio.timeout`.
"""

import asyncio
from collections.abc import Iterable

from redis.asyncio import Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection, Connection
from redis.exceptions import TimeoutError as SilenceError


class _Cancellable(AbstractConnection):
    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        limit_s, self.socket_timeout = self.socket_timeout, None  # without a limit redis-py awaits the write itself
        try:
            async with asyncio.timeout(limit_s):
                await super().send_packed_command(command, check_health)
        except TimeoutError:
            raise SilenceError("Timeout writing to socket") from None
        finally:
            self.socket_timeout = limit_s


class _Tcp(_Cancellable, Connection):
    pass


class _Tls(_Cancellable, SSLConnection):
    pass


class _Unix(_Cancellable, UnixDomainSocketConnection):
    pass


_CANCELLABLE: dict[type[AbstractConnection], type[AbstractConnection]] = {
    Connection: _Tcp,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
}


def connect(url: str, timeout_s: float = 1.0) -> Redis:
    """A client for `unix://…`, `redis://…` or `rediss://…`; nothing is sent before the first command."""
    client = Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, decode_responses=False)
    pool = client.connection_pool
    pool.connection_class = _CANCELLABLE[pool.connection_class]
    return client
