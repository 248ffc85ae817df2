"""WebSockets of consoles: each carries the hub's frames to one page until the page, the session or the server ends.

What clients send is read (so that a goodbye is noticed) and ignored. Each socket has one task that writes; the handler itself
reads. A client that takes nothing is cut off, so it can delay neither the others nor our own stop.
"""

import asyncio
import logging

from aiohttp import WSMsgType, hdrs, web

from resort.errors import Busy, NotSignedIn, SnowgateError
from storage.accounts import Accounts
from web_console.feed_hub import GOING_AWAY, FeedHub, FeedTiming, Mailbox
from web_console.problems import HttpRefusal
from web_console.routes import Call

_log = logging.getLogger(__name__)

SESSION_ENDED = 4401  # private range of RFC 6455, section 7.4.2; echoes HTTP's 401
MAX_SOCKETS = 500
CLIENT_MESSAGE_LIMIT = 1024  # bytes; clients have nothing to say
PING_S = 20.0  # finds peers that vanished without a goodbye


class FeedSockets:
    """All open feed sockets of this process."""

    def __init__(self, hub: FeedHub, accounts: Accounts, timing: FeedTiming) -> None:
        self._hub = hub
        self._accounts = accounts
        self._timing = timing
        self._tokens: dict[Mailbox, str] = {}
        self._requests: dict[Mailbox, web.Request] = {}
        self._recheck: asyncio.Task[None] | None = None
        self._all_closed = asyncio.Event()
        self._all_closed.set()
        self._stopping = False

    @property
    def count(self) -> int:
        """Sockets open now."""
        return len(self._tokens)

    async def start(self) -> None:
        """Begin to look after sessions."""
        self._recheck = asyncio.create_task(self._recheck_sessions(), name="feed session recheck")

    async def stop(self) -> None:
        """Say goodbye to every client, wait a little for theirs, cut off the rest; idempotent."""
        self._stopping = True
        task, self._recheck = self._recheck, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for mailbox in self._tokens:
            mailbox.end(GOING_AWAY)
        try:
            async with asyncio.timeout(self._timing.close_limit_s):
                await self._all_closed.wait()
        except TimeoutError:
            for request in self._requests.values():
                _cut_off(request)

    def end_session(self, token: str) -> None:
        """Close the sockets of a session that was signed out."""
        for mailbox, owner in self._tokens.items():
            if owner == token:
                mailbox.end(SESSION_ENDED)

    async def serve(self, call: Call) -> web.WebSocketResponse:
        """The handler of the feed's route. Raises Busy when too many sockets are open."""
        if call.caller.token is None:
            raise NotSignedIn
        if self.count >= MAX_SOCKETS or self._stopping:
            raise Busy("The live feed", 5)
        socket = web.WebSocketResponse(
            compress=False,  # deflate costs 2.5 to 4 times the CPU of sending as it is
            heartbeat=PING_S,
            max_msg_size=CLIENT_MESSAGE_LIMIT,
            timeout=self._timing.close_limit_s,
        )
        _check_handshake(socket, call.request)
        mailbox = self._hub.subscribe()
        self._tokens[mailbox] = call.caller.token
        self._requests[mailbox] = call.request
        self._all_closed.clear()
        writer: asyncio.Task[None] | None = None
        try:
            await socket.prepare(call.request)
            writer = asyncio.create_task(self._write(call.request, socket, mailbox), name="feed socket writer")
            async for _ in socket:
                pass
        finally:
            self._hub.unsubscribe(mailbox)
            if writer is not None:
                if mailbox.close_code is None:
                    writer.cancel()  # else it is saying goodbye, in bounded time
                await asyncio.gather(writer, return_exceptions=True)
            del self._tokens[mailbox], self._requests[mailbox]
            if not self._tokens:
                self._all_closed.set()
        return socket

    async def _write(self, request: web.Request, socket: web.WebSocketResponse, mailbox: Mailbox) -> None:
        try:
            while (frame := await mailbox.next()) is not None:
                async with asyncio.timeout(self._timing.send_limit_s):
                    await socket.send_frame(frame, WSMsgType.TEXT)
            async with asyncio.timeout(2 * self._timing.close_limit_s):
                await socket.close(code=mailbox.close_code or GOING_AWAY)
        except TimeoutError:
            _log.info("a console took no data for %s s and was cut off", self._timing.send_limit_s)
            _cut_off(request)
        except ConnectionError:
            pass  # the client went away; the reading side notices too
        except Exception:
            _log.exception("a feed socket failed")
            _cut_off(request)

    async def _recheck_sessions(self) -> None:
        while True:
            await asyncio.sleep(self._timing.recheck_s)
            for token in set(self._tokens.values()):
                try:
                    user = await self._accounts.user_of(token)
                except SnowgateError as error:
                    # Accounts being away is no reason to blind the control room; the next round asks again.
                    _log.info("sessions could not be looked at again: %s", error)
                    break
                if user is None:
                    self.end_session(token)


def _cut_off(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _check_handshake(socket: web.WebSocketResponse, request: web.Request) -> None:
    if request.headers.get(hdrs.UPGRADE, "").strip().lower() != "websocket":
        raise HttpRefusal(426, "upgrade_required", "This address speaks WebSocket only.", {hdrs.UPGRADE: "websocket"})
    try:
        sound = socket.can_prepare(request).ok
    except ValueError:  # a Sec-WebSocket-Key that is not even ASCII
        sound = False
    if not sound:
        raise HttpRefusal(400, "bad_handshake", "The WebSocket handshake is incomplete or not of version 13.")
