"""Which gate each display names, and for how long: the balancer's shares turned into one name at a time. Pure.

A display can name one gate, a policy answers shares. In `automatic` a display names gates in turn so that over time each has
its share: at each change the gate whose time lags most behind it (deficit round robin; M. Shreedhar and G. Varghese 1995). In
`confirm` staff accept each change, so it names the gate with the greatest share. No gate is named for less than `sign_dwell_s`
unless it closes, and a gate that serves nobody is never named. Staff may say what a display names, for a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestrator import crowd_texts
from orchestrator.lane_keeper import Wanted
from resort.crowd import CrowdMode, CrowdSite, SignSite, SignView

SHARE_LEAST = 0.15  # a smaller share is not worth a change of the display
MARGIN = 0.2  # of share, by which another gate must be better before staff are asked


@dataclass(slots=True)
class _Display:
    site: SignSite
    named: str = ""  # "": blank
    since_s: float = 0.0
    owed: dict[str, float] = field(default_factory=dict)  # seconds by gate
    counted_s: float | None = None
    ordered: str | None = None  # by staff; "" blank
    ordered_until: datetime | None = None


class SignDesk:
    """`look` once a tick; `names` says what displays name now."""

    def __init__(self, settings: CrowdSite) -> None:
        self._settings = settings
        self._displays = {sign.id: _Display(sign) for sign in settings.signs if sign.display}

    def __contains__(self, sign_id: str) -> bool:
        return sign_id in self._displays

    def look(
        self, now_s: float, at: datetime, mode: CrowdMode, signs: Mapping[str, SignView], is_open: Mapping[str, bool]
    ) -> list[Wanted]:
        """Changes that staff are asked for. In `automatic` displays change by themselves, in `advise` they are blank."""
        wishes = []
        for sign_id, display in self._displays.items():
            self._end_order(display, at)
            view = signs.get(sign_id)
            if view is None or mode == "advise":
                self._name(display, "", now_s)
                continue
            if display.named and not is_open.get(display.named, False):
                self._name(display, "", now_s)  # at once, whoever has to accept what comes then
            target = self._target(display, view, is_open, now_s, by_turns=mode == "automatic")
            if not target or target == display.named:
                continue
            if mode == "automatic":
                self._name(display, target, now_s)
            else:
                share = view.shares.get(target, 0.0)
                wishes.append(
                    Wanted("name_gate", target, "", crowd_texts.sign_share(share), crowd_texts.sign_effect(), sign_id)
                )
        return wishes

    def accept(self, sign_id: str, gate_id: str, now_s: float) -> None:
        """Staff accepted that it names that gate."""
        self._name(self._displays[sign_id], gate_id, now_s)

    def order(self, sign_id: str, gate_id: str, until: datetime) -> None:
        """Staff say what it names until then; "": nothing."""
        display = self._displays[sign_id]
        display.ordered, display.ordered_until = gate_id, until

    def release(self, sign_id: str) -> None:
        """Staff leave it to the orchestrator again."""
        display = self._displays[sign_id]
        display.ordered = display.ordered_until = None

    def names(self) -> dict[str, str]:
        """The gate that each display names now; "" for a blank one."""
        return {
            sign_id: display.named if display.ordered is None else display.ordered
            for sign_id, display in self._displays.items()
        }

    def ordered_until(self, sign_id: str) -> datetime | None:
        """Until when staff have ordered what it names."""
        display = self._displays.get(sign_id)
        return None if display is None else display.ordered_until

    def _target(self, display: _Display, view: SignView, is_open: Mapping[str, bool], now_s: float, *, by_turns: bool) -> str:
        shares = {gate: share for gate, share in view.shares.items() if is_open.get(gate, False)}
        if not shares:
            return ""
        self._count(display, shares, now_s)
        if display.named and now_s - display.since_s < self._settings.sign_dwell_s:
            return display.named
        if not by_turns:
            best = max(shares, key=lambda gate: shares[gate])
            keeps = shares.get(display.named, 0.0) >= shares[best] - MARGIN
            return display.named if display.named and keeps else best
        worth = [gate for gate, share in shares.items() if share >= SHARE_LEAST] or [max(shares, key=lambda gate: shares[gate])]
        return max(worth, key=lambda gate: (display.owed.get(gate, 0.0), shares[gate]))

    def _count(self, display: _Display, shares: Mapping[str, float], now_s: float) -> None:
        """Each gate is owed its share of the time; the one that was named had it all. Bounded: old debts are forgotten."""
        passed_s = 0.0 if display.counted_s is None else now_s - display.counted_s
        display.counted_s = now_s
        most = 2.0 * self._settings.sign_dwell_s
        owed = {gate: display.owed.get(gate, 0.0) + share * passed_s for gate, share in shares.items()}
        if display.named in owed:
            owed[display.named] -= passed_s
        display.owed = {gate: max(-most, min(most, seconds)) for gate, seconds in owed.items()}

    def _name(self, display: _Display, gate_id: str, now_s: float) -> None:
        if gate_id != display.named:
            display.named, display.since_s = gate_id, now_s

    def _end_order(self, display: _Display, at: datetime) -> None:
        if display.ordered_until is not None and at >= display.ordered_until:
            display.ordered = display.ordered_until = None


def order_ends(at: datetime, minutes: int) -> datetime:
    """When an order of staff for so many minutes is over."""
    return at + timedelta(minutes=minutes)
