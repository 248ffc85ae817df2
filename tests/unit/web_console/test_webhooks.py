"""Webhooks against a real HTTP server that fails in every way, over a real journal in SQLite."""

import asyncio
import hmac
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from orchestrator.parts import Webhook, WebhookParts
from resort.clock import ManualClock
from resort.ids import EventId, GateId, LaneId
from resort.messages import AlarmAcknowledged, AlarmCleared, AlarmEvent, AlarmRaised, JournalEvent, LaneChanged
from resort.texts import Text
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.migrate import upgrade
from storage.site_meta import SiteMeta
from web_console import webhooks
from web_console.webhooks import Webhooks, WebhookTiming

SITE = Text("场", "Site")
SECRET = b"a secret of more than sixteen bytes"
CLOCK = ManualClock(datetime(2027, 1, 5, 1, 0, tzinfo=UTC))
QUICK = WebhookTiming(look_s=0.01, answer_s=5.0, connect_s=5.0, backoff_first_s=0.005, backoff_limit_s=0.02, close_limit_s=0.05)
PATIENCE_S = 30.0


class Receiver:
    """An HTTP server on a free port. `answers` are statuses (or handlers) for the next requests; then 204."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int | Callable[[web.Request], Any]] = []
        self.url = ""
        self._arrived = asyncio.Condition()
        self._over = asyncio.Event()

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator["Receiver"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook?token=in-the-address"
        try:
            yield self
        finally:
            self._over.set()
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        answer = self.answers.pop(0) if self.answers else 204
        async with self._arrived:
            self.requests.append((dict(request.headers), body))
            self._arrived.notify_all()
        if callable(answer):
            reply: web.StreamResponse = await answer(request)
            return reply
        headers = {"Location": f"{self.url}&elsewhere"} if 300 <= answer < 400 else {}
        return web.Response(status=answer, headers=headers)

    async def say_nothing(self, request: web.Request) -> web.StreamResponse:
        """Hold the request until the server ends."""
        await self._over.wait()
        return web.Response()

    async def until(self, number: int) -> list[dict[str, Any]]:
        """The bodies, once at least so many came."""
        async with asyncio.timeout(PATIENCE_S), self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= number)
        return [msgspec.json.decode(body) for _, body in self.requests]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    yield database
    await database.dispose()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with receiver.serving():
        yield receiver


def head(number: int, caused_by: str = "watch") -> dict[str, Any]:
    event_id = EventId(f"e{number}")
    return {
        "event_id": event_id,
        "caused_by": caused_by,
        "at": CLOCK.now().at,
        "gate_id": GateId("north"),
        "lane_id": LaneId("n1"),
    }


def raised(number: int, key: str = "forced_arm:n1", severity: str = "critical") -> AlarmRaised:
    return AlarmRaised(**head(number), alarm_key=key, severity=severity, text=Text("坏", "bad"), evidence={"count": 1})


def cleared(number: int, key: str = "forced_arm:n1") -> AlarmCleared:
    return AlarmCleared(**head(number), alarm_key=key)


async def store(database: Database, *events: JournalEvent) -> None:
    await JournalStore(database).store([(f"{number}-0", event) for number, event in enumerate(events)])


@asynccontextmanager
async def sending(database: Database, *hooks: Webhook, timing: WebhookTiming = QUICK) -> AsyncIterator[Webhooks]:
    senders = Webhooks(WebhookParts(hooks, JournalStore(database), SiteMeta(database)), SITE, CLOCK, timing)
    senders.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(sender.begun.wait() for sender in senders.senders))
        yield senders
    finally:
        async with asyncio.timeout(PATIENCE_S):
            await senders.stop()


async def test_every_edge_is_sent_in_order_and_signed(database: Database, receiver: Receiver) -> None:
    await store(database, raised(1))  # of the past
    async with sending(database, Webhook(receiver.url, SECRET)) as senders:
        said = AlarmAcknowledged(**head(3, "e2"), alarm_key="forced_arm:n1", by="cora", note="on my way")
        changed = LaneChanged(**head(9), state="closed", detail="")
        await store(database, raised(2), changed, said, cleared(4))
        bodies = await receiver.until(3)
        assert senders.figures()[0].host == "127.0.0.1"
    assert [(body["event"], body["event_id"]) for body in bodies] == [
        ("alarm_raised", "e2"),
        ("alarm_acknowledged", "e3"),
        ("alarm_cleared", "e4"),
    ]
    assert bodies[0]["evidence"] == {"count": 1}
    assert (bodies[0]["kind"], bodies[0]["severity"], bodies[0]["lane_id"]) == ("forced_arm", "critical", "n1")
    assert (bodies[1]["by"], bodies[1]["note"]) == ("cora", "on my way")
    headers, body = receiver.requests[0]
    stamp = dict(part.split("=", 1) for part in headers["Snowgate-Signature"].split(","))
    assert stamp["v1"] == hmac.new(SECRET, f"{stamp['t']}.".encode() + body, sha256).hexdigest()
    assert int(stamp["t"]) == int(CLOCK.now().at.timestamp())
    assert headers["Snowgate-Event-Id"] == "e2"


async def _hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def test_it_is_sent_again_until_it_is_taken_and_the_next_one_waits(database: Database, receiver: Receiver) -> None:
    receiver.answers = [500, 404, 302, 429, _hang_up, receiver.say_nothing, 200]
    timing = msgspec.structs.replace(QUICK, answer_s=0.2)
    async with sending(database, Webhook(receiver.url, SECRET), timing=timing) as senders:
        await store(database, raised(1), cleared(2))
        bodies = await receiver.until(8)
        assert not senders.senders[0].failing, "the first one was taken before the second was sent"
    assert [body["event_id"] for body in bodies] == ["e1"] * 7 + ["e2"]
    assert not any("elsewhere" in headers.get("Host", "") for headers, _ in receiver.requests), "no redirect is followed"


async def test_after_a_restart_it_goes_on_where_it_was(database: Database, receiver: Receiver) -> None:
    hook = Webhook(receiver.url, SECRET)
    async with sending(database, hook):
        await store(database, raised(1))
        await receiver.until(1)
        receiver.answers = [500] * 1_000
        await store(database, cleared(2))
        await receiver.until(3)
    receiver.answers = []
    before = len(receiver.requests)
    await store(database, raised(3))
    async with sending(database, hook):
        bodies = await receiver.until(before + 2)
    assert [body["event_id"] for body in bodies[before:]] == ["e2", "e3"]


async def test_a_receiver_that_hangs_does_not_delay_the_end_and_gets_it_again(database: Database, receiver: Receiver) -> None:
    receiver.answers = [receiver.say_nothing]
    hook = Webhook(receiver.url, SECRET)
    async with sending(database, hook):
        await store(database, raised(1))
        await receiver.until(1)
    async with sending(database, hook):
        bodies = await receiver.until(2)
    assert [body["event_id"] for body in bodies] == ["e1", "e1"]


async def test_each_webhook_gets_what_it_asked_for_and_none_waits_for_another(database: Database, receiver: Receiver) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        deaf = Webhook(f"http://127.0.0.1:{taken.getsockname()[1]}/", SECRET)
        grave = Webhook(receiver.url, SECRET, severities=frozenset({"critical"}))
        tails = Webhook(f"{receiver.url}&2", SECRET, kinds=frozenset({"tailgating"}))
        async with sending(database, deaf, grave, tails) as senders:
            events: list[AlarmEvent] = [
                raised(1, "tailgating:n1", "warning"),
                raised(2),
                cleared(3),
                cleared(4, "tailgating:n1"),
            ]
            await store(database, *events)
            bodies = await receiver.until(4)
            assert senders.figures()[0].delivered == 0
    assert sorted((body["event_id"], body["kind"]) for body in bodies) == [
        ("e1", "tailgating"),
        ("e2", "forced_arm"),
        ("e3", "forced_arm"),
        ("e4", "tailgating"),
    ]


async def test_logs_hold_neither_the_secret_nor_the_address(
    database: Database, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.answers = [500, _hang_up]
    hook = Webhook(receiver.url, SECRET)
    async with sending(database, hook):
        await store(database, raised(1))
        await receiver.until(3)
    ours = [record for record in caplog.records if record.name == webhooks.__name__]
    assert ours, "the failure is told"
    told = [record.getMessage() for record in caplog.records if record.name != "aiohttp.access"]  # that is the receiver's log
    assert not any("in-the-address" in line or SECRET.decode() in line for line in told)
    assert SECRET.decode() not in repr(hook)


async def test_sql_being_away_is_waited_for(database: Database, receiver: Receiver) -> None:
    async with sending(database, Webhook(receiver.url, SECRET)):
        async with database.write() as connection:
            await connection.exec_driver_sql("ALTER TABLE journal RENAME TO journal_away")
        await asyncio.sleep(0.05)
        async with database.write() as connection:
            await connection.exec_driver_sql("ALTER TABLE journal_away RENAME TO journal")
        await store(database, raised(1))
        assert [body["event_id"] for body in await receiver.until(1)] == ["e1"]
