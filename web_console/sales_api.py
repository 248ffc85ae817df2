"""The ticket office over HTTP: catalogue, quotes, orders, payments, tickets.

Each handler turns a checked request into one call of the ticket office and returns its view. The sales channel follows from
who asks, never from what the request claims, and a channel sees its own orders only.
"""

from typing import cast, get_args

from resort.errors import NotFound, NotPermitted
from resort.money import Money
from resort.pricing import Channel, Quote, QuoteRequest
from resort.site import ProductSite, Site
from sales.office import OrderView, Payment, TicketOffice, TicketView
from web_console.bodies import (
    CatalogueView,
    OrderAsk,
    PaymentAsk,
    ProductView,
    QuoteAsk,
    SlotList,
    SlotsAsk,
    TicketFindAsk,
    TicketFound,
)
from web_console.callers import ANYONE, DESK, SELLERS, SHOPPERS, STAFF_AND_CHANNELS, Caller
from web_console.routes import Call, Route


def channel_of(caller: Caller) -> str:
    """The sales channel of a caller: a key's own, the desk for staff, the shop for everybody else."""
    if caller.channel is not None:
        return caller.channel
    return "desk" if caller.user is not None else "shop"


def priced_as(channel: str) -> Channel:
    """The channel that prices know it by: keys may be made for channels of any name, and those are partners to the tariff."""
    return cast(Channel, channel) if channel in get_args(Channel) else "partner"


class SalesApi:
    """Handlers of the sales routes."""

    def __init__(self, office: TicketOffice, site: Site) -> None:
        self._office = office
        self._site = site

    def routes(self) -> list[Route]:
        """This part of the table."""
        order = "/api/orders/{order_id}"
        conflicts = (404, 409, 422)
        return [
            Route("GET", "/api/catalogue", self.catalogue, ANYONE, "What can be bought here", answer=CatalogueView),
            Route(
                "GET", "/api/products/{product}/slots", self.slots, ANYONE, "Start times of a product on a day",
                answer=SlotList, query=SlotsAsk, problems=(503,),
            ),
            Route(
                "POST", "/api/quotes", self.quote, SHOPPERS, "Price a product for a day, kept until the quote expires",
                "sell on that channel", body=QuoteAsk, answer=Quote, status=201, problems=(403, 404, 409),
            ),
            Route(
                "POST", "/api/orders", self.place, SELLERS, "Hold the places of a quote until they are paid",
                "place orders", body=OrderAsk, answer=OrderView, status=201, keyed=True, problems=conflicts,
            ),
            Route("GET", order, self.order, SELLERS, "One order", "read orders", answer=OrderView),
            Route(
                "POST", f"{order}/payments", self.pay, SELLERS, "Record a payment; the tickets come with the answer",
                "take payments", body=PaymentAsk, answer=OrderView, status=201, keyed=True, problems=conflicts,
            ),
            Route(
                "DELETE", order, self.cancel, SELLERS, "Cancel an unpaid order; its places go back to sale",
                "cancel orders", answer=OrderView, problems=conflicts,
            ),
            Route(
                "GET", "/api/tickets/{ticket_id}", self.ticket, STAFF_AND_CHANNELS, "One ticket with its code and its use",
                "read tickets", answer=TicketView,
            ),
            Route(
                "POST", "/api/tickets/find", self.find, DESK, "The ticket that is meant by a number or a code's text",
                "find tickets", body=TicketFindAsk, answer=TicketFound, problems=(404,),
            ),
        ]  # fmt: skip

    async def catalogue(self, call: Call) -> CatalogueView:
        """Products and base prices."""
        tariff = self._site.tariff
        products = [_product_view(product) for product in self._office.products()]
        return CatalogueView(self._site.name, tariff.currency, tariff.version, products)

    async def slots(self, call: Call) -> SlotList:
        """Each slot with its places left."""
        ask: SlotsAsk = call.query
        product = call.ids["product"]
        return SlotList(product, ask.day, await self._office.slots(product, ask.day))

    async def quote(self, call: Call) -> Quote:
        """A binding price."""
        ask: QuoteAsk = call.body
        channel = priced_as(channel_of(call.caller))
        if ask.channel is not None and ask.channel != channel:
            raise NotPermitted(f"sell on the {ask.channel} channel")
        return await self._office.quote(QuoteRequest(ask.product, ask.day, ask.units, channel, ask.slot))

    async def place(self, call: Call) -> OrderView:
        """An order on hold."""
        ask: OrderAsk = call.body
        return await self._office.place_order(ask.quote_id, channel_of(call.caller), call.key)

    async def order(self, call: Call) -> OrderView:
        """The order, unless it is another channel's: that one does not exist for this caller."""
        order_id = call.ids["order_id"]
        view = await self._office.order(order_id)
        if call.caller.channel is not None and view.channel != call.caller.channel:
            raise NotFound("order", order_id)
        return view

    async def pay(self, call: Call) -> OrderView:
        """The order after its payment."""
        ask: PaymentAsk = call.body
        order = await self.order(call)
        payment = Payment(method=ask.method, amount=Money(ask.amount.minor, ask.amount.currency))
        return await self._office.pay(order.order_id, payment, channel_of(call.caller), call.key)

    async def cancel(self, call: Call) -> OrderView:
        """The order after it was cancelled."""
        order = await self.order(call)
        return await self._office.cancel(order.order_id)

    async def find(self, call: Call) -> TicketFound:
        """By number or code; the code comes in the body, so that it is in no address and no log."""
        ask: TicketFindAsk = call.body
        return TicketFound(await self._office.find(ask.text))

    async def ticket(self, call: Call) -> TicketView:
        """The ticket."""
        return await self._office.ticket(call.ids["ticket_id"])


def _product_view(product: ProductSite) -> ProductView:
    # Without the quota: how many places a day has is the resort's own business.
    starts = product.slots.starts() if product.slots is not None else []
    return ProductView(product.code, product.name, product.lane_classes, product.prices, product.units, product.entries, starts)
