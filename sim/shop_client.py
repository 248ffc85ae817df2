"""Buying tickets as a sales channel does: over the site's own HTTP API, with a channel key and idempotency keys."""

import asyncio
import secrets
from datetime import date
from typing import TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec

from resort.errors import Refused, Unavailable
from resort.money import Money
from resort.pricing import Channel

TIMEOUT_S = 15.0
TRIES = 3
FIRST_PAUSE_S = 0.2

Answer = TypeVar("Answer")


class BoughtTicket(msgspec.Struct, frozen=True):
    """One ticket as the shop hands it out."""

    ticket_id: str
    unit: str
    code: str


class _Quote(msgspec.Struct):
    quote_id: str
    total: Money


class _Order(msgspec.Struct):
    order_id: str
    total: Money
    tickets: list[BoughtTicket] = []


class _Wording(msgspec.Struct):
    version: str


class _Standing(msgspec.Struct):
    enrolled: bool
    advice: list[object] = []


class _Problem(msgspec.Struct):
    """The part of an RFC 9457 problem that a buyer reads."""

    title: str = "refused"
    detail: str = ""
    code: str = ""


class ShopClient:
    """One channel's connection to a site. Use as an async context manager.

    A step whose answer was lost is sent again under the same idempotency key, at most `TRIES` times in all: nothing is
    bought or paid twice.
    """

    def __init__(self, base: str, channel_key: str, channel: Channel = "kiosk") -> None:
        self._base = base.rstrip("/")
        self._headers = {"Authorization": f"Bearer {channel_key}", "Content-Type": "application/json"}
        self._channel = channel
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "ShopClient":
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def buy(self, product: str, day: date, units: dict[str, int]) -> list[BoughtTicket]:
        """Quote, order and pay the order's total in cash. Raises Refused with the shop's sentence, or Unavailable."""
        asked = {"product": product, "day": day.isoformat(), "units": units, "channel": self._channel}
        quote = await self._ask("/api/quotes", asked, _Quote)
        placed = await self._ask("/api/orders", {"quote_id": quote.quote_id}, _Order, secrets.token_hex(12))
        payment = {"method": "cash", "amount": {"minor": placed.total.minor, "currency": placed.total.currency}}
        paid = await self._ask(f"/api/orders/{placed.order_id}/payments", payment, _Order, secrets.token_hex(12))
        return paid.tickets

    async def enrol_face(self, ticket_id: str, photograph: bytes) -> bool:
        """Show the holder, of age, the words and enrol this JPEG; False: it is not good enough. Raises Refused, Unavailable."""
        wording = (await self._send("GET", "/api/face-consent", _Wording)).version
        query = {"wording": wording, "given_by": "holder", "age": "14_or_over", "origin": "kiosk"}
        path = f"/api/tickets/{ticket_id}/face?{urlencode(query)}"
        return (await self._send("POST", path, _Standing, photograph, {"Content-Type": "image/jpeg"})).enrolled

    async def _ask(self, path: str, body: object, answer_type: type[Answer], key: str | None = None) -> Answer:
        """One step, tried again while the shop is away; Refused at once."""
        keyed = {"Idempotency-Key": key} if key else {}
        return await self._send("POST", path, answer_type, msgspec.json.encode(body), keyed)

    async def _send(
        self,
        method: str,
        path: str,
        answer_type: type[Answer],
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        for attempt in range(TRIES):
            try:
                content = await self._once(method, path, body, self._headers | (headers or {}))
                break
            except Unavailable:
                if attempt == TRIES - 1:
                    raise
                await asyncio.sleep(FIRST_PAUSE_S * 2**attempt)
        try:
            return msgspec.json.decode(content, type=answer_type)
        except msgspec.MsgspecError as error:
            raise Unavailable("The shop", f"it answers {path} with something else: {error}") from error

    async def _once(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        if self._session is None:
            raise Unavailable("The shop client", "it is not open")
        try:
            async with self._session.request(method, self._base + path, data=body, headers=headers) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable("The shop", f"{type(error).__name__} {error}".strip()) from error
        if answer.status >= 500 or answer.status == 429:
            raise Unavailable("The shop", f"it answers {answer.status}")
        if answer.status >= 400:
            raise Refused(_sentence(content, answer.status))
        return content


def _sentence(content: bytes, status: int) -> str:
    """What the shop says about a refusal."""
    try:
        problem = msgspec.json.decode(content, type=_Problem)
    except msgspec.MsgspecError:
        return f"the shop answers {status}"
    return f"{problem.code or status}: {problem.detail or problem.title}"
