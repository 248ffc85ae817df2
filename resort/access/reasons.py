"""Every reason a decision can have: a stable code for programs, a sentence for people.

Codes are part of the public interface (journal, metrics, API): they are added, never renamed.
"""

from enum import StrEnum

from resort.texts import Text


class Reason(StrEnum):
    """Stable reason code of a decision."""

    ADMITTED = "admitted"
    ALREADY_USED = "already_used"
    IN_USE = "in_use"
    OUTCOME_UNKNOWN = "outcome_unknown"
    WRONG_DAY = "wrong_day"
    WRONG_LANE = "wrong_lane"
    BLOCKED = "blocked"
    UNKNOWN_TICKET = "unknown_ticket"
    FORGED_CODE = "forged_code"
    MALFORMED_CODE = "malformed_code"
    STALE_CODE = "stale_code"
    UNREADABLE = "unreadable"
    LANE_CLOSED = "lane_closed"
    LANE_BUSY = "lane_busy"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    TURNSTILE_UNAVAILABLE = "turnstile_unavailable"


EXPLANATIONS: dict[Reason, Text] = {
    Reason.ADMITTED: Text("请通行", "Please go through"),
    Reason.ALREADY_USED: Text("此票已使用", "This ticket has already been used"),
    Reason.IN_USE: Text("此票正在另一通道使用", "This ticket is being used at another lane right now"),
    Reason.OUTCOME_UNKNOWN: Text(
        "此票上次放行结果未知, 请联系工作人员", "It is not known whether this ticket was used; please ask our staff"
    ),
    Reason.WRONG_DAY: Text("此票不是今天的票", "This ticket is for another day"),
    Reason.WRONG_LANE: Text("此票不能走快速通道", "This ticket does not cover the fast lane"),
    Reason.BLOCKED: Text("此票已被停用", "This ticket has been blocked"),
    Reason.UNKNOWN_TICKET: Text("查无此票", "No such ticket was sold"),
    Reason.FORGED_CODE: Text("无效的票码", "This code was not issued by the resort"),
    Reason.MALFORMED_CODE: Text("这不是雪场票码", "This is not a ticket code of the resort"),
    Reason.STALE_CODE: Text("票码已过期, 请刷新后再试", "This code is out of date; please refresh it and try again"),
    Reason.UNREADABLE: Text("无法读取, 请调整位置或亮度", "Nothing could be read; please turn or brighten the code"),
    Reason.LANE_CLOSED: Text("此通道已关闭", "This lane is closed"),
    Reason.LANE_BUSY: Text("请稍候再试", "One moment, please try again"),
    Reason.LEDGER_UNAVAILABLE: Text("系统暂时不可用, 请稍候", "The ticket register is away; please wait a moment"),
    Reason.TURNSTILE_UNAVAILABLE: Text("闸机暂时不可用", "The turnstile is not available"),
}


def explain(reason: Reason) -> Text:
    """The sentence that a guest or an operator reads for `reason`."""
    return EXPLANATIONS[reason]
