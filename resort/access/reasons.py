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
    REVOKED = "revoked"
    REFUNDED = "refunded"
    TRANSFERRED = "transferred"
    WRONG_MEDIUM = "wrong_medium"
    BLACKOUT_DAY = "blackout_day"
    OUT_OF_HOURS = "out_of_hours"
    WRONG_PLACE = "wrong_place"
    DAYS_USED_UP = "days_used_up"
    TIME_USED_UP = "time_used_up"
    CODE_REPLAYED = "code_replayed"
    TOO_SOON = "too_soon"
    STILL_INSIDE = "still_inside"
    IMPOSSIBLE_TRAVEL = "impossible_travel"
    COMPANION_ALONE = "companion_alone"
    SPOOL_FULL = "spool_full"
    LANE_RELEASED = "lane_released"
    EXIT_LANE = "exit_lane"
    GRANT_OPEN = "grant_open"
    NOTHING_TO_ANNUL = "nothing_to_annul"
    FACE_UNSURE = "face_unsure"
    FACE_OF_ANOTHER = "face_of_another"
    LOOK_OVER = "look_over"


EXPLANATIONS: dict[Reason, Text] = {
    Reason.ADMITTED: Text("请通行", "Please go through"),
    Reason.ALREADY_USED: Text("此票已使用", "This ticket has already been used"),
    Reason.IN_USE: Text("此票正在另一通道使用", "This ticket is being used at another lane right now"),
    Reason.OUTCOME_UNKNOWN: Text(
        "此票上次放行结果未知, 请联系工作人员", "It is not known whether this ticket was used; please ask our staff"
    ),
    Reason.WRONG_DAY: Text("此票不是今天的票", "This ticket is for another day"),
    Reason.WRONG_LANE: Text("此票不能走此类通道", "This ticket does not cover this kind of lane"),
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
    Reason.REVOKED: Text("此票已被收回", "This ticket has been revoked"),
    Reason.REFUNDED: Text("此票已退款", "This ticket has been refunded"),
    Reason.TRANSFERRED: Text("此票已转让, 请出示新票", "This ticket was passed on; please show the new one"),
    Reason.WRONG_MEDIUM: Text("此票不能以这种形式使用", "This ticket cannot be shown in this form"),
    Reason.BLACKOUT_DAY: Text("此票今天不可用 (除外日)", "This ticket is not valid today (blackout day)"),
    Reason.OUT_OF_HOURS: Text("不在此票的使用时段内", "This ticket is not valid at this hour"),
    Reason.WRONG_PLACE: Text("此票不含此处", "This ticket does not cover this place"),
    Reason.DAYS_USED_UP: Text("此票的天数已用完", "All days of this ticket have been used"),
    Reason.TIME_USED_UP: Text("此票的时间已用完", "The time of this ticket is used up"),
    Reason.CODE_REPLAYED: Text("此票码已用过, 请刷新后再试", "This code was used already; please refresh it and try again"),
    Reason.TOO_SOON: Text("两次使用间隔太短, 请稍候", "It is too soon after the last ride; please wait"),
    Reason.STILL_INSIDE: Text("持票人尚未离开此区域", "The holder of this ticket has not left this area"),
    Reason.IMPOSSIBLE_TRAVEL: Text(
        "此票刚在别处使用过, 请联系工作人员", "This ticket was used elsewhere a moment ago; please ask our staff"
    ),
    Reason.COMPANION_ALONE: Text("请让所陪同的人先通过", "Please let the one you accompany go first"),
    Reason.SPOOL_FULL: Text("系统暂时无法记录, 请联系工作人员", "Nothing can be recorded right now; please ask our staff"),
    Reason.LANE_RELEASED: Text("通道已消防释放, 可直接通行", "The lane is released; everybody may go through"),
    Reason.EXIT_LANE: Text("此通道只供离开", "This lane is an exit"),
    Reason.GRANT_OPEN: Text("上一次放行尚未结束", "The last grant has no outcome yet"),
    Reason.NOTHING_TO_ANNUL: Text("没有可撤销的放行", "There is no grant to annul"),
    Reason.FACE_UNSURE: Text("请稍候, 工作人员正在确认", "One moment, please; our staff will have a look"),
    Reason.FACE_OF_ANOTHER: Text("此票与持票人不符, 请联系工作人员", "This ticket is somebody else's; please ask our staff"),
    Reason.LOOK_OVER: Text("确认时间已过, 请重新出示票码", "It is too late to confirm this; please show the ticket again"),
}


def explain(reason: Reason) -> Text:
    """The sentence that a guest or an operator reads for `reason`."""
    return EXPLANATIONS[reason]
