"""How a simulated controller treats numbered orders: a number that it has carried out is nothing new, and it may acknowledge.

Knows words and results, no addresses: `sim/turnstile_registers.py` puts both where the profile says.
"""

from devices.profile import TurnstileProfile
from devices.profile_points import NUMBER, CommandOrder, NumberedOrder
from sim.turnstile import SimTurnstile


class OrderDesk:
    """The words that were written last, and what became of them. Begins anew when the controller does.

    - A number other than the last one is one order; the same number again is nothing, whatever the other words say.
    - Other words than those that admit are no order for entry. Where orders are acknowledged, they are refused.
    - `number` and `result` are what is acknowledged; 0 and 0 before the first order.
    """

    def __init__(self, model: SimTurnstile, profile: TurnstileProfile, order: NumberedOrder) -> None:
        self.number = 0
        self.result = 0
        self._model = model
        self._profile = profile
        self._order = order
        self._results = order.acknowledge if isinstance(order, CommandOrder) else None
        self._place = order.words.index(NUMBER)
        self._words = [0] * len(order.words)
        self._last = 0  # as written: the number of the last order
        self._numbered = False  # the number was written since `act`

    @property
    def acknowledges(self) -> bool:
        """Whether the profile has words for what became of an order; else a refusal is an exception answer."""
        return self._results is not None

    def written(self, offset: int) -> int:
        """The word as it was last written."""
        return self._words[offset]

    def write(self, offset: int, word: int) -> None:
        """One word of an order; `act` follows when the request is over."""
        self._words[offset] = word
        self._numbered = self._numbered or offset == self._place

    def act(self) -> None:
        """Carry out what one request has written, if it has a new number."""
        written, numbered = self._words[self._place], self._numbered
        self._numbered = False
        if not numbered or written == self._last:
            return
        self._last = written
        objection = self._objection()
        if objection is None:
            self._model.pulse_entry()
        results = self._results
        if results is not None and self._model.acknowledges:
            # The number comes back as it was written: it is read by the rules that it was written by.
            self.number = self._number(written)
            if objection is None:
                self.result = results.done
            else:
                self.result = results.refused.get(objection, next(iter(results.refused.values())))

    def _objection(self) -> str | None:
        """Why the order is refused, where that can be told; None: it is carried out."""
        wanted = self._profile.order_words(self._order, self._number(self._words[self._place]))
        if self._words != wanted:
            return "unknown_command"
        if self._results is None:
            return None  # the steel decides, and nobody is told
        if self._model.refuses:
            return "busy"
        if self._model.fault:
            return "fault"
        return "exit_only" if self._model.exit_only else None

    def _number(self, word: int) -> int:
        """The number that a written word says. Swapping bytes is its own inverse."""
        return self._profile.order_words(self._order, word)[self._place]
