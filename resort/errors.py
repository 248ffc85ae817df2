"""The one tree of errors, branched by what the caller can do about it.

SnowgateError
├── Refused              change the request, or accept the answer
│   ├── NotFound         nothing goes by that name
│   ├── NotPermitted     signed in, but not allowed
│   ├── NotSignedIn      no valid session or key
│   ├── SoldOut          no place left in the cell
│   ├── QuoteExpired     ask for a new quote
│   ├── HoldExpired      the places went back; place a new order
│   ├── KeyReused        same idempotency key, other request
│   ├── AmountMismatch   the payment is not the order's total
│   └── WrongState       the order or lane is past (or before) that step
├── Busy                 try again after `retry_after_s`
├── Unavailable          a part is away; nothing was done, or its outcome is in the journal
│   ├── LedgerUnavailable
│   ├── DatabaseUnavailable
│   ├── TurnstileUnreachable
│   ├── FacesUnavailable  no inference actor answers in time; codes go on
│   ├── SpoolFull        no room, or no working disk, for what must not be lost
│   └── PartMissing      a program, library or file has to be installed first
├── Invalid              the input is malformed: says which field and why
│   └── InvalidConfig
└── Bug                  ours; carries the machine's recent story
    └── InvalidTransition

Arguments are positional so that every class survives pickling (Ray rebuilds an exception from `args`).
A refused guest is a `Decision`, never an exception.
"""


class SnowgateError(Exception):
    """Root of the tree. `code` is stable and may be shown to programs; `str()` is one sentence for people."""

    code = "error"


class Refused(SnowgateError):
    """The request was understood and cannot be granted."""

    code = "refused"


class NotFound(Refused):
    """Nothing goes by that name."""

    code = "not_found"

    def __init__(self, what: str, name: str) -> None:
        super().__init__(what, name)
        self.what = what
        self.name = name

    def __str__(self) -> str:
        return f"There is no {self.what} called {self.name}."


class NotSignedIn(Refused):
    """No valid session or key came with the request."""

    code = "not_signed_in"

    def __str__(self) -> str:
        return "Sign in, or send a valid channel key."


class NotPermitted(Refused):
    """The caller is known but may not do this."""

    code = "not_permitted"

    def __init__(self, action: str) -> None:
        super().__init__(action)
        self.action = action

    def __str__(self) -> str:
        return f"This account may not {self.action}."


class SoldOut(Refused):
    """The inventory cell has fewer places left than were asked for."""

    code = "sold_out"

    def __init__(self, product: str, date: str, left: int) -> None:
        super().__init__(product, date, left)
        self.product = product
        self.date = date
        self.left = left

    def __str__(self) -> str:
        return f"{self.product} on {self.date} has {self.left} places left, fewer than asked for."


class QuoteExpired(Refused):
    """The quote is past its expiry."""

    code = "quote_expired"

    def __init__(self, quote_id: str) -> None:
        super().__init__(quote_id)
        self.quote_id = quote_id

    def __str__(self) -> str:
        return "This quote has expired; ask for a new one."


class HoldExpired(Refused):
    """The order's hold ran out and its places went back to sale."""

    code = "hold_expired"

    def __init__(self, order_id: str) -> None:
        super().__init__(order_id)
        self.order_id = order_id

    def __str__(self) -> str:
        return "This order was not paid in time and its places went back to sale; place a new order."


class KeyReused(Refused):
    """An idempotency key came again with another request."""

    code = "idempotency_key_reused"

    def __str__(self) -> str:
        return "This idempotency key was used before with another request."


class AmountMismatch(Refused):
    """A payment differs from the order's total."""

    code = "amount_mismatch"

    def __init__(self, paid: str, due: str) -> None:
        super().__init__(paid, due)
        self.paid = paid
        self.due = due

    def __str__(self) -> str:
        return f"The payment of {self.paid} is not the {self.due} that the order comes to."


class WrongState(Refused):
    """The thing is in a state in which this step is not possible."""

    code = "wrong_state"

    def __init__(self, what: str, state: str, step: str) -> None:
        super().__init__(what, state, step)
        self.what = what
        self.state = state
        self.step = step

    def __str__(self) -> str:
        return f"The {self.what} is {self.state}, so it cannot {self.step}."


class Busy(SnowgateError):
    """Too much at once; try again after `retry_after_s` seconds."""

    code = "busy"

    def __init__(self, what: str, retry_after_s: float) -> None:
        super().__init__(what, retry_after_s)
        self.what = what
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.what} is busy; try again in {self.retry_after_s:g} s."


class Unavailable(SnowgateError):
    """A part that is needed cannot be reached."""

    code = "unavailable"

    def __init__(self, part: str, detail: str) -> None:
        super().__init__(part, detail)
        self.part = part
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.part} cannot be reached: {self.detail}."


class LedgerUnavailable(Unavailable):
    """The admission ledger (Redis) did not answer, or answered that it was rebuilt meanwhile."""

    code = "ledger_unavailable"


class DatabaseUnavailable(Unavailable):
    """SQL did not answer."""

    code = "database_unavailable"


class TurnstileUnreachable(Unavailable):
    """The turnstile did not answer in time or answered nonsense. A pulse may or may not have happened, unless `sent` is False:
    then nothing was done, for certain: nothing was sent, or the controller refused it."""

    code = "turnstile_unreachable"

    def __init__(self, part: str, detail: str, sent: bool = True) -> None:
        super().__init__(part, detail)
        self.sent = sent


class FacesUnavailable(Unavailable):
    """No inference actor answers in time; nobody is kept out for it, as codes go on."""

    code = "faces_unavailable"


class SpoolFull(Unavailable):
    """The lane's own disk has no room for the event, or does not take it. Nothing that was asked for is stored."""

    code = "spool_full"

    def __str__(self) -> str:
        return f"{self.part} takes nothing: {self.detail}."


class PartMissing(Unavailable):
    """A program, library or file is not installed here; the detail says what to do."""

    code = "part_missing"

    def __str__(self) -> str:
        return f"{self.part} is missing: {self.detail}."


class Invalid(SnowgateError):
    """Malformed input: `field` names the place, `problem` says what is wrong with it."""

    code = "invalid"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}."


class InvalidConfig(Invalid):
    """A site file, profile or setting cannot be used."""

    code = "invalid_config"


class Bug(SnowgateError):
    """A promise of our own was broken."""

    code = "bug"


class InvalidTransition(Bug):
    """A machine was told something impossible in its state; `story` is its recent history, oldest first."""

    code = "invalid_transition"

    def __init__(self, machine: str, state: str, trigger: str, story: tuple[str, ...]) -> None:
        super().__init__(machine, state, trigger, story)
        self.machine = machine
        self.state = state
        self.trigger = trigger
        self.story = story

    def __str__(self) -> str:
        return f"{self.machine} cannot take {self.trigger} while {self.state} (before: {', '.join(self.story) or 'nothing'})."
