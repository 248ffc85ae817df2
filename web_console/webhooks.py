"""Alarms to the outside: each event of an alarm is posted to the site file's webhooks, signed, in order, until it is taken.

At least once: the place in the journal up to which a webhook has everything is kept in SQL, after each delivery. Nothing waits
for a webhook, and one webhook not for another; one that takes nothing is asked again for ever, with growing pauses. What is
sent and how to check the signature: docs/alarms.md. Secrets are never logged, nor is what of an address could hold one.
"""

import asyncio
import contextlib
import hmac
import logging
from datetime import datetime
from hashlib import sha256
from typing import Literal
from urllib.parse import urlsplit

import aiohttp
import msgspec

from orchestrator.parts import Webhook, WebhookParts
from resort.alarms import KINDS, Evidence, kind_of
from resort.clock import Clock
from resort.errors import DatabaseUnavailable
from resort.messages import AlarmAcknowledged, AlarmCleared, AlarmEvent, AlarmRaised
from resort.texts import Text
from web_console.metrics import WebhookFigures

PAGE = 200
SKIPPED_KEPT = 10_000  # so many events without any alarm may be looked at again after a restart
SEVERE_STATUS = 300
_log = logging.getLogger(__name__)


class WebhookTiming(msgspec.Struct, frozen=True):
    """Times of the sender; seconds."""

    look_s: float = 1.0  # how often the journal is looked at
    answer_s: float = 10.0  # for a whole exchange
    connect_s: float = 5.0
    backoff_first_s: float = 1.0  # doubled with each failure
    backoff_limit_s: float = 60.0
    close_limit_s: float = 1.0  # what is under way at the end is sent again after the next start


class WebhookBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is posted, as JSON."""

    event: Literal["alarm_raised", "alarm_acknowledged", "alarm_cleared"]
    event_id: str  # the same whenever the event is sent again
    site: Text
    at: datetime
    alarm_key: str
    kind: str
    severity: str
    gate_id: str
    lane_id: str
    text: Text
    evidence: Evidence = {}
    by: str = ""
    note: str = ""


def body_of(event: AlarmEvent, site: Text) -> WebhookBody:
    """What a webhook is told of an event."""
    kind = kind_of(event.alarm_key)
    known = KINDS.get(kind)
    told = WebhookBody(
        event="alarm_cleared",
        event_id=event.event_id,
        site=site,
        at=event.at,
        alarm_key=event.alarm_key,
        kind=kind,
        severity=known.severity if known is not None else "warning",
        gate_id=event.gate_id,
        lane_id=event.lane_id,
        text=known.text if known is not None else Text(kind, kind),
    )
    match event:
        case AlarmRaised():
            changes = {"event": "alarm_raised", "severity": event.severity, "text": event.text, "evidence": event.evidence}
            return msgspec.structs.replace(told, **changes)
        case AlarmAcknowledged():
            return msgspec.structs.replace(told, event="alarm_acknowledged", by=event.by, note=event.note)
        case AlarmCleared():
            return told


def signature(secret: bytes, body: bytes, at: datetime) -> str:
    """The value of `Snowgate-Signature`: the time, and HMAC-SHA256 over `<unix seconds>.<body>` in hex."""
    seconds = str(int(at.timestamp()))
    return f"t={seconds},v1={hmac.new(secret, seconds.encode() + b'.' + body, sha256).hexdigest()}"


class WebhookSender:
    """One webhook's task. `delivered` and `failing` are for the metrics."""

    def __init__(self, hook: Webhook, parts: WebhookParts, site: Text, clock: Clock, timing: WebhookTiming) -> None:
        self.host = urlsplit(hook.url).hostname or ""
        self.delivered = 0
        self.failing = False
        self.begun = asyncio.Event()  # the place to go on from is known: every alarm from now on is sent
        self._hook = hook
        self._parts = parts
        self._site = site
        self._clock = clock
        self._timing = timing
        self._place = f"webhook:{sha256(hook.url.encode()).hexdigest()[:20]}"
        self._closing = asyncio.Event()
        self._seq: int | None = None  # everything up to there is sent; None: not read yet
        self._stored = 0
        self._task: asyncio.Task[None] | None = None
        self._posting: asyncio.Task[bool] | None = None

    def start(self) -> None:
        """Begin to send; idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"webhook {self.host}")

    async def stop(self) -> None:
        """Stop within `close_limit_s`; idempotent."""
        self._closing.set()
        if self._task is None:
            return
        # Only the request is cut off. A cancelled call to SQL would leave its connection in the air.
        await asyncio.wait({self._task}, timeout=self._timing.close_limit_s)
        if self._posting is not None:
            self._posting.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=self._timing.answer_s, sock_connect=self._timing.connect_s)
        # No proxies and passwords from this machine's surroundings; nobody's cookies.
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session:
            while not self._closing.is_set():
                try:
                    if self._seq is None:
                        self._seq = await self._begin()
                        self.begun.set()
                    await self._round(session, self._seq)
                except DatabaseUnavailable as error:
                    _log.debug("webhook %s waits for SQL: %s", self.host, error.detail)
                await self._pause(self._timing.look_s)

    async def _begin(self) -> int:
        """The place after which to go on. A new webhook begins with what comes, not with the past."""
        first = str(await self._parts.journal.last_seq())
        self._stored = int(await self._parts.meta.put_first(self._place, first))
        return self._stored

    async def _round(self, session: aiohttp.ClientSession, seq: int) -> None:
        """Send what came after `seq`."""
        up_to = await self._parts.journal.last_seq()
        while page := await self._parts.journal.alarms_after(seq, up_to, PAGE):
            for stored in page:
                event = stored.event
                if isinstance(event, AlarmEvent) and self._wants(event) and not await self._send(session, event):
                    return
                seq = stored.seq
                await self._keep(seq)
        self._seq = max(seq, up_to)
        if self._seq - self._stored > SKIPPED_KEPT:
            await self._keep(self._seq)

    def _wants(self, event: AlarmEvent) -> bool:
        told = body_of(event, self._site)
        kinds, severities = self._hook.kinds, self._hook.severities
        return (not kinds or told.kind in kinds) and (not severities or told.severity in severities)

    async def _send(self, session: aiohttp.ClientSession, event: AlarmEvent) -> bool:
        """Post until it is taken; False when closed before."""
        body = msgspec.json.encode(body_of(event, self._site))
        pause_s = self._timing.backoff_first_s
        while not self._closing.is_set():
            self._posting = asyncio.create_task(self._post(session, body, event.event_id), name=f"webhook post {self.host}")
            await asyncio.wait({self._posting})
            if not self._posting.cancelled() and self._posting.result():
                self.delivered += 1
                return True
            await self._pause(pause_s)
            pause_s = min(2 * pause_s, self._timing.backoff_limit_s)
        return False

    async def _post(self, session: aiohttp.ClientSession, body: bytes, event_id: str) -> bool:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Snowgate-Webhook",
            "Snowgate-Event-Id": event_id,
            "Snowgate-Signature": signature(self._hook.secret, body, self._clock.now().at),
        }
        try:
            # A redirect would carry the signed body to somebody whom nobody named.
            async with session.post(self._hook.url, data=body, headers=headers, allow_redirects=False) as answer:
                self._tell("" if answer.status < SEVERE_STATUS else f"it answered {answer.status}")
                return answer.status < SEVERE_STATUS
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._tell(type(error).__name__)  # its text may hold the whole address
            return False

    def _tell(self, problem: str) -> None:
        """Log edges only."""
        if problem and not self.failing:
            _log.warning("the webhook at %s does not take an alarm (%s); it is sent again until it does", self.host, problem)
        elif self.failing and not problem:
            _log.info("the webhook at %s takes alarms again", self.host)
        self.failing = bool(problem)

    async def _keep(self, seq: int) -> None:
        self._seq = seq  # also if SQL is away: this process knows it
        await self._parts.meta.put(self._place, str(seq))
        self._stored = seq

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()


class Webhooks:
    """All senders of the site."""

    def __init__(self, parts: WebhookParts | None, site: Text, clock: Clock, timing: WebhookTiming | None = None) -> None:
        hooks = parts.hooks if parts is not None else ()
        times = timing or WebhookTiming()
        self.senders = [WebhookSender(hook, parts, site, clock, times) for hook in hooks if parts is not None]

    def figures(self) -> list[WebhookFigures]:
        """How the senders do, for the metrics."""
        return [
            WebhookFigures(number, sender.host, sender.delivered, sender.failing)
            for number, sender in enumerate(self.senders, 1)
        ]

    def start(self) -> None:
        """Begin to send."""
        for sender in self.senders:
            sender.start()

    async def stop(self) -> None:
        """Stop all at once; idempotent."""
        await asyncio.gather(*(sender.stop() for sender in self.senders))
