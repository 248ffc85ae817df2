"""What holds at a lane whatever guest comes: ready, closed, faulted, released or starting. Pure."""

from resort.access.lane_messages import LaneMode
from resort.access.reasons import Reason
from resort.ports import TurnstileStatus

SHUT = {"closed": Reason.LANE_CLOSED, "faulted": Reason.TURNSTILE_UNAVAILABLE}  # what a guest is told in these states


def lasting_state(status: TurnstileStatus | None, mode: LaneMode, *, starting: bool) -> str:
    """`starting`, `released`, `faulted`, `closed` or `ready`; `status` None: the turnstile is away."""
    if starting:
        return "starting"
    if status is None:
        return "faulted"
    if status.fire_release:
        return "released"
    if status.fault:
        return "faulted"
    return "closed" if mode == "closed" else "ready"


def described(state: str, status: TurnstileStatus | None, link_detail: str) -> str:
    """The state's reason in words; empty for a lane that is ready."""
    if state == "faulted":
        return link_detail if status is None else "the turnstile reports a fault"
    return {"closed": "closed by order", "released": "fire release is asserted"}.get(state, "")
