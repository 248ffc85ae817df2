"""What is said at a lane, in the languages that a speaker knows. Pure data; codes and sentences to read are in `reasons.py`.

A *cue* names one phrase: the code of a reason, or `use_fast_lane`. Cues are part of the public interface (clip packs, played
logs): they are added, never renamed.

Short, as guests hear it while they walk: what is the matter, then what to do. Cantonese is spoken Cantonese, not Mandarin read
aloud. No digits and no brackets: a synthesiser reads them each in its own way; and no character that espeak-ng takes for its
other reading (行 haang4, 返 faan1, 使 si2 in Cantonese), which its phonemes show.
"""

from typing import Literal

import msgspec

from resort.access.reasons import Reason
from resort.texts import Text

SpokenLanguage = Literal["cmn", "yue", "en"]  # Mandarin, Cantonese, English (ISO 639-3, and 639-1 for English)
SPOKEN_LANGUAGES: tuple[SpokenLanguage, ...] = ("cmn", "yue", "en")


class SpokenText(msgspec.Struct, frozen=True):
    """One phrase: Mandarin and English as a `Text`, and Cantonese beside them."""

    text: Text
    yue: str

    def phrase(self, language: SpokenLanguage) -> str:
        """The phrase in that language."""
        return {"cmn": self.text.zh, "yue": self.yue, "en": self.text.en}[language]


def _said(cmn: str, yue: str, en: str) -> SpokenText:
    return SpokenText(Text(cmn, en), yue)


_BY_REASON: dict[Reason, SpokenText] = {
    Reason.ADMITTED: _said("请通行", "请通过", "Please go through"),
    Reason.ALREADY_USED: _said("此票已使用", "呢张飞已经用咗", "Ticket already used"),
    Reason.IN_USE: _said("此票正在其他通道使用", "呢张飞喺第二条通道用紧", "Ticket in use at another lane"),
    Reason.OUTCOME_UNKNOWN: _said("请联系工作人员", "请搵职员帮手", "Please ask our staff"),
    Reason.WRONG_DAY: _said("不是今天的票", "唔系今日嘅飞", "Ticket is for another day"),
    Reason.WRONG_LANE: _said("请走其他通道", "请用第二条通道", "Please use another lane"),
    Reason.BLOCKED: _said("此票已停用", "呢张飞停用咗", "Ticket is blocked"),
    Reason.UNKNOWN_TICKET: _said("查无此票", "搵唔到呢张飞", "Ticket not found"),
    Reason.FORGED_CODE: _said("无效票码", "呢个码无效", "Code is not valid"),
    Reason.MALFORMED_CODE: _said("这不是雪场票码", "呢个唔系雪场嘅码", "This is not a ticket code"),
    Reason.STALE_CODE: _said("请刷新票码", "请更新个码", "Please refresh your code"),
    Reason.UNREADABLE: _said("请调整票码位置", "请摆好个码", "Please hold the code still"),
    Reason.LANE_CLOSED: _said("此通道已关闭", "呢条通道闩咗", "This lane is closed"),
    Reason.LANE_BUSY: _said("请稍候再试", "请等阵再试", "One moment, please try again"),
    Reason.LEDGER_UNAVAILABLE: _said("系统忙, 请稍候", "系统忙, 请等阵", "Please wait a moment"),
    Reason.TURNSTILE_UNAVAILABLE: _said("闸机暂停使用", "闸机暂时用唔到", "Turnstile out of service"),
    Reason.REVOKED: _said("此票已收回", "呢张飞收回咗", "Ticket has been revoked"),
    Reason.REFUNDED: _said("此票已退款", "呢张飞退咗钱", "Ticket has been refunded"),
    Reason.TRANSFERRED: _said("此票已转让, 请出示新票", "呢张飞转咗, 请出示新飞", "Please show the new ticket"),
    Reason.WRONG_MEDIUM: _said("请出示原来的票", "请出示原本嘅飞", "Please show the original ticket"),
    Reason.BLACKOUT_DAY: _said("此票今天不可用", "呢张飞今日用唔到", "Ticket not valid today"),
    Reason.OUT_OF_HOURS: _said("不在使用时段", "呢个时间用唔到", "Ticket not valid at this hour"),
    Reason.WRONG_PLACE: _said("此票不含此处", "呢张飞唔包呢度", "Ticket does not cover this place"),
    Reason.DAYS_USED_UP: _said("天数已用完", "日数用晒", "All days have been used"),
    Reason.TIME_USED_UP: _said("时间已用完", "时间用晒", "Your time is used up"),
    Reason.CODE_REPLAYED: _said("请刷新票码", "请更新个码", "Please refresh your code"),
    Reason.TOO_SOON: _said("间隔太短, 请稍候", "太快啦, 请等阵", "Too soon, please wait"),
    Reason.STILL_INSIDE: _said("持票人尚未离开", "持飞人仲未离开", "Holder is still inside"),
    Reason.IMPOSSIBLE_TRAVEL: _said("请联系工作人员", "请搵职员帮手", "Please ask our staff"),
    Reason.COMPANION_ALONE: _said("请让孩子先过", "请畀小朋友先过", "The child goes first, please"),
    Reason.SPOOL_FULL: _said("请联系工作人员", "请搵职员帮手", "Please ask our staff"),
    Reason.LANE_RELEASED: _said("通道已释放, 请通行", "通道已经开放, 请通过", "Lane released, please go through"),
    Reason.EXIT_LANE: _said("此通道只供离开", "呢条通道只供离开", "This lane is an exit"),
    Reason.GRANT_OPEN: _said("上一次放行尚未结束", "前一次放行仲未完", "The last grant is still open"),
    Reason.NOTHING_TO_ANNUL: _said("没有可撤销的放行", "冇得取消", "There is nothing to take back"),
    Reason.FACE_UNSURE: _said("请稍候, 工作人员确认", "请等阵, 职员睇紧", "One moment, our staff will look"),
    Reason.FACE_OF_ANOTHER: _said("请联系工作人员", "请搵职员帮手", "Please ask our staff"),
    Reason.LOOK_OVER: _said("请重新出示票码", "请再出示个码", "Please show your ticket again"),
}
USE_FAST_LANE = "use_fast_lane"  # the ticket is for the fast lane only, and was shown elsewhere
SPOKEN: dict[str, SpokenText] = {
    **{reason.value: said for reason, said in _BY_REASON.items()},
    USE_FAST_LANE: _said("请走快速通道", "请用快速通道", "Please use the fast lane"),
}


def spoken(cue: str, language: SpokenLanguage) -> str:
    """The phrase for `cue` in that language."""
    return SPOKEN[cue].phrase(language)
