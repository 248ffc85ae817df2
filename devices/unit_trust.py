"""How long each unit of a bus is waited for, and when one that behaves badly is left alone, so that its neighbours do not wait
behind it. Pure: times are the event loop's, in seconds.

Matters where units share a connection or a line; a unit with a connection of its own troubles nobody else.
"""

REST_S = 0.5
REST_AFTER_SILENCES = 2
LOSS_REST_MAX_S = 30.0
GLANCE_S = 0.01  # how long a suspect is waited for at least; its neighbours wait no longer for it
_SPARE = 3.0  # times the slowest answer that it gave lately
_FADE = 0.98  # of that slowest answer with each further one


class UnitTrust:
    """One bus.

    - A unit that answers is waited for the whole time-out. So is an order, always.
    - One that shares and did not answer last time is a suspect: it is asked for a glance only, at least GLANCE_S and thrice
      what it took when it answered. It is waited for whole again when an answer of it came in time but after the glance.
    - Two silences in a row: it rests for REST_S between glances.
    - One that shares and costs the connection (half an answer, nonsense) while its neighbours answer rests for 0.5 s, and four
      times as long each further time, up to LOSS_REST_MAX_S, as each time costs the neighbours a connection.
    """

    def __init__(self, timeout_s: float, *, shared: bool) -> None:
        self._timeout_s = timeout_s
        self._shared = shared
        self._silences: dict[int, int] = {}
        self._losses: dict[int, int] = {}
        self._rest_until: dict[int, float] = {}
        self._slowest_s: dict[int, float] = {}
        self._asked: dict[int, float] = {}  # when a suspect's request was given up

    def silences(self, unit: int) -> int:
        """Requests in a row that it did not answer."""
        return self._silences.get(unit, 0)

    def rests(self, unit: int, now: float) -> bool:
        """Whether it is left alone for the moment."""
        return self._rest_until.get(unit, 0.0) > now

    def patience_s(self, unit: int, late_at: float | None, *, order: bool) -> float:
        """How long to wait for it; `late_at`: when its newest late answer came."""
        if not self._shared or order or not self.silences(unit):
            return self._timeout_s
        given_up = self._asked.get(unit, 0.0)
        if late_at is not None and 0 <= late_at - given_up < self._timeout_s:
            return self._timeout_s
        return min(self._timeout_s, max(GLANCE_S, _SPARE * self._slowest_s.get(unit, 0.0)))

    def note_answer(self, unit: int, took_s: float) -> None:
        """It answered in time."""
        for what in (self._silences, self._losses, self._rest_until, self._asked):
            what.pop(unit, None)
        self._slowest_s[unit] = max(took_s, _FADE * self._slowest_s.get(unit, 0.0))

    def note_silence(self, unit: int, now: float) -> None:
        """It did not answer in time."""
        if self._silences.get(unit, 0):
            self._asked[unit] = now
        self._silences[unit] = self._silences.get(unit, 0) + 1
        if self._silences[unit] >= REST_AFTER_SILENCES:
            self._rest_until[unit] = now + REST_S

    def note_loss(self, unit: int, now: float, *, neighbours_live: bool) -> bool:
        """The connection was lost over its request; answers whether that is its own fault, so a new one can be had at once."""
        guilty = self._shared and neighbours_live
        if guilty:
            self._rest_until[unit] = now + min(LOSS_REST_MAX_S, REST_S * 4 ** self._losses.get(unit, 0))
            self._losses[unit] = self._losses.get(unit, 0) + 1
        return guilty

    def begin_anew(self) -> None:
        """A new connection. Who has shown to be bad for its neighbours is still known for it."""
        if not self._shared:
            self._silences.clear()
            self._rest_until.clear()
        else:
            self._rest_until = {unit: until for unit, until in self._rest_until.items() if unit in self._losses}
