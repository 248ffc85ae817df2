"""Buying tickets as a sales channel does: over the site's own HTTP API, with a channel key and idempotency keys."""

import secrets
from datetime import date

import aiohttp
import msgspec

from resort.errors import Refused, Unavailable
from resort.money import Money


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


class _Problem(msgspec.Struct):
    code: str = "error"
    detail: str = ""


class ShopClient:
    """One channel's connection to a site. Use as an async context manager."""

    def __init__(self, base: str, channel_key: str) -> None:
        self._base = base
        self._headers = {"Authorization": f"Bearer {channel_key}", "Content-Type": "application/json"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "ShopClient":
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15.0))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def buy(self, product: str, day: date, units: dict[str, int]) -> list[BoughtTicket]:
        """Quote, order and pay in cash. Raises Refused with the shop's sentence, or Unavailable."""
        asked = {"product": product, "day": day.isoformat(), "units": units, "channel": "kiosk"}
        quote = msgspec.json.decode(await self._post("/api/quotes", asked), type=_Quote)
        key = secrets.token_hex(12)
        placed = msgspec.json.decode(await self._post("/api/orders", {"quote_id": quote.quote_id}, key), type=_Order)
        payment = {"method": "cash", "amount": {"minor": placed.total.minor, "currency": placed.total.currency}}
        paid = await self._post(f"/api/orders/{placed.order_id}/payments", payment, key)
        return msgspec.json.decode(paid, type=_Order).tickets

    async def _post(self, path: str, body: object, key: str | None = None) -> bytes:
        if self._session is None:
            raise Unavailable("The shop client", "it is not open")
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        try:
            async with self._session.post(self._base + path, data=msgspec.json.encode(body), headers=headers) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable("The shop", f"{type(error).__name__} {error}".strip()) from error
        if answer.status >= 500 or answer.status == 429:
            raise Unavailable("The shop", f"it answers {answer.status}")
        if answer.status >= 400:
            problem = msgspec.json.decode(content, type=_Problem)
            raise Refused(f"{problem.code}: {problem.detail}")
        return content
