"""What holds at a lane whatever guest comes: ready, closed, faulted, released or starting. Pure."""

from resort.access.lane_messages import LaneMode
from resort.access.reasons import Reason
from resort.ports import TurnstileStatus

SHUT = {
    "closed": Reason.LANE_CLOSED,
    "faulted": Reason.TURNSTILE_UNAVAILABLE,
    "exit": Reason.EXIT_LANE,
}  # what a guest is told in these states


def lasting_state(status: TurnstileStatus | None, mode: LaneMode, *, starting: bool, way_set: bool = True) -> str:
    """`starting`, `released`, `faulted`, `closed`, `exit` or `ready`; `status` None: the turnstile is away.

    `way_set`: the arm of a reversible lane is set as the mode needs it; until then the lane is closed."""
    if starting:
        return "starting"
    if status is None:
        return "faulted"
    if status.fire_release:
        return "released"
    if status.fault:
        return "faulted"
    if mode == "closed" or not way_set:
        return "closed"
    return "exit" if mode == "exit" else "ready"


def described(state: str, status: TurnstileStatus | None, link_detail: str, way_detail: str = "") -> str:
    """The state's reason in words; empty for a lane that is ready. `way_detail`: why its arm is not set as it should be."""
    if state == "faulted":
        return link_detail if status is None else "the turnstile reports a fault"
    return {
        "closed": way_detail or "closed by order",
        "exit": "leads out by order",
        "released": "fire release is asserted",
    }.get(state, "")
