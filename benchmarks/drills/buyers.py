"""Buyers of a drill: each quotes, orders, and then pays, pays twice, cancels, walks away or comes too late, over real HTTP.

A buyer whose answer was lost asks again under the same key, as a program that sells does; what he was told in the end is noted
for the judge (`benchmarks/drills/books_judge.py`).
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import aiohttp
import msgspec

from resort.errors import Unavailable

TRIES = 400  # a shop that is killed whole needs half a minute to open
PAUSE_S = 0.25
ASK_S = 8.0
MIX = {"pays": 60, "pays_twice": 12, "cancels": 10, "walks_away": 12, "reuses_key": 6}


@dataclass(slots=True)
class Told:
    """What buyers were told. Lists hold order ids."""

    issued: dict[str, set[str]] = field(default_factory=dict)  # tickets by order
    cancelled: set[str] = field(default_factory=set)
    sold_out: int = 0
    refused: int = 0
    lost: int = 0  # questions that had to be asked again
    wrong: list[str] = field(default_factory=list)  # answers that should never be


class Buyers:
    """`run` a crowd until it is told to stop."""

    def __init__(self, key: str, product: str, days: list[date], seed: int, address: Callable[[], str]) -> None:
        """`address` of the shop, which may open anew elsewhere."""
        self.told = Told()
        self.finished = 0
        self._key, self._product, self._days, self._seed = key, product, days, seed
        self._address = address
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Nobody new begins; who has begun comes to his end."""
        self._stopping.set()

    async def run(self, crowd: int) -> None:
        """So many at once, one after the other."""
        timeout = aiohttp.ClientTimeout(total=ASK_S)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            await asyncio.gather(*(self._buyers(session, number) for number in range(crowd)))

    async def _buyers(self, session: aiohttp.ClientSession, number: int) -> None:
        dice = random.Random(f"buyer {self._seed} {number}")  # noqa: S311 - a drill is repeated by its seed
        turn = 0
        while not self._stopping.is_set():
            turn += 1
            await self._buy(session, dice, f"{self._seed}-{number}-{turn}")
            self.finished += 1

    async def _buy(self, session: aiohttp.ClientSession, dice: random.Random, name: str) -> None:
        day, adults = dice.choice(self._days), dice.randrange(1, 4)
        asked = {"product": self._product, "day": day.isoformat(), "units": {"adult": adults}}
        status, quote = await self._ask(session, "POST", "/api/quotes", asked)
        if status != 201:
            return self._note_refusal(status, "quote", quote)
        status, order = await self._ask(session, "POST", "/api/orders", {"quote_id": quote["quote_id"]}, f"o-{name}")
        if status != 201:
            return self._note_refusal(status, "order", order)
        act = dice.choices(list(MIX), list(MIX.values()))[0]
        order_id = order["order_id"]
        if act == "walks_away":
            return None
        if act == "cancels":
            status, after = await self._ask(session, "DELETE", f"/api/orders/{order_id}")
            if status == 200:
                self.told.cancelled.add(order_id)
            return self._note_refusal(status, "cancel", after)
        await self._pay(session, order, adults, name, act)
        return None

    async def _pay(self, session: aiohttp.ClientSession, order: Any, adults: int, name: str, act: str) -> None:
        order_id, path = order["order_id"], f"/api/orders/{order['order_id']}/payments"
        payment = {"method": "cash", "amount": order["total"]}
        status, paid = await self._ask(session, "POST", path, payment, f"p-{name}")
        if status != 201:
            return self._note_refusal(status, "pay", paid)
        tickets = {ticket["ticket_id"] for ticket in paid["tickets"]}
        self.told.issued[order_id] = tickets
        if len(tickets) != adults or paid["state"] != "issued":
            self.told.wrong.append(f"{order_id}: paid for {adults} and got {len(tickets)} tickets, {paid['state']}")
        if act == "pays_twice":
            status, again = await self._ask(session, "POST", path, payment, f"p-{name}")
            if status != 201 or {ticket["ticket_id"] for ticket in again["tickets"]} != tickets:
                self.told.wrong.append(f"{order_id}: the same payment again was answered otherwise ({status})")
        elif act == "reuses_key":
            other = {"method": "card", "amount": order["total"]}
            status, again = await self._ask(session, "POST", path, other, f"p-{name}")
            if status < 400:
                self.told.wrong.append(f"{order_id}: one key took two payments")
        return None

    def _note_refusal(self, status: int, step: str, answer: Any) -> None:
        code = answer.get("code", "") if isinstance(answer, dict) else ""
        if code == "sold_out":
            self.told.sold_out += 1
        elif 400 <= status < 500:
            self.told.refused += 1
        elif status >= 500:
            self.told.wrong.append(f"{step}: {status} {code}")

    async def _ask(
        self, session: aiohttp.ClientSession, method: str, path: str, body: object = None, key: str = ""
    ) -> tuple[int, Any]:
        """The answer; asked again while there is none, and while the shop says that it is away. Raises Unavailable at last."""
        headers = {"Idempotency-Key": key} if key else {}
        content = msgspec.json.encode(body) if body is not None else None
        for _ in range(TRIES):
            try:
                async with session.request(method, self._address() + path, data=content, headers=headers) as answer:
                    read = await answer.read()
                    if answer.status not in (429, 503):
                        return answer.status, msgspec.json.decode(read) if read else None
            except (aiohttp.ClientError, TimeoutError, OSError):
                self.told.lost += 1
            await asyncio.sleep(PAUSE_S)
        raise Unavailable("The shop of the drill", f"no answer to {method} {path.split('/')[2]}")
