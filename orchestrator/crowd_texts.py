"""What the crowd brain says to staff: reasons and expected effects of what it proposes, Chinese and English."""

from resort.texts import Text


def _minutes(seconds: float) -> tuple[str, str]:
    """A wait as people say it."""
    if seconds < 55:
        return "不到 1 分钟", "less than a minute"
    minutes = round(seconds / 60)
    return f"约 {minutes} 分钟", f"about {minutes} min"


def more_needed(arriving_per_min: float, queue: float, lanes: int, wanted: int) -> Text:
    """Why another lane should open."""
    return Text(
        f"每分钟约来 {arriving_per_min:.0f} 人, 估计排队 {queue:.0f} 人; 开 {lanes} 条通道, 需要 {wanted} 条",
        f"About {arriving_per_min:.0f} guests a minute come, {queue:.0f} wait; {lanes} lanes are open, {wanted} are needed",
    )


def fewer_do(arriving_per_min: float, lanes: int, wanted: int, minutes: int) -> Text:
    """Why a lane may close."""
    return Text(
        f"每分钟约来 {arriving_per_min:.0f} 人, {minutes} 分钟以来 {wanted} 条通道已足够, 现开 {lanes} 条",
        f"About {arriving_per_min:.0f} guests a minute come; for {minutes} min {wanted} lanes would do, {lanes} are open",
    )


def wait_changes(before_s: float | None, after_s: float) -> Text:
    """What the wait in ten minutes should be."""
    zh, en = _minutes(after_s)
    if before_s is None:
        return Text(f"十分钟后预计等候{zh}", f"Expected wait in 10 min: {en}")
    zh_before, en_before = _minutes(before_s)
    if (zh_before, en_before) == (zh, en):
        return Text(f"十分钟后预计等候不变: {zh}", f"Expected wait in 10 min stays {en}")
    return Text(f"十分钟后预计等候{zh}, 否则{zh_before}", f"Expected wait in 10 min: {en} instead of {en_before}")


def fast_lane_idle(wait_s: float) -> Text:
    """Why the fast lane should take others too."""
    zh, en = _minutes(wait_s)
    return Text(f"普通通道等候{zh}, 快速通道空闲", f"The wait at the other lanes is {en} while the fast lane stands idle")


def fast_lane_needed() -> Text:
    """Why it should not any more."""
    return Text("普通通道等候已短, 或快速通道票的客人增多", "The other lanes' wait is short again, or fast-lane guests come")


def fast_lane_alone() -> Text:
    """What comes of that."""
    return Text(
        "快速通道只留给快速票; 有人时不切换",
        "The fast lane is for its own guests again, changed only while nobody stands there",
    )


def help_needed(queue: float, wait_s: float | None, out: int, held: int) -> Text:
    """Why staff should help: no lane is left that could be opened."""
    zh, en = _minutes(wait_s) if wait_s is not None else ("无法估计", "for an unknown time")
    return Text(
        f"估计排队 {queue:.0f} 人, 等候{zh}; 没有可再开的通道 (故障或失联 {out} 条, 人工关闭 {held} 条)",
        f"About {queue:.0f} guests wait {en}; no lane is left to open ({out} out of order, {held} closed by staff)",
    )


def hand_scanner(before_s: float | None, after_s: float) -> Text:
    """What help would bring."""
    effect = wait_changes(before_s, after_s)
    return Text(
        f"请派人引导、修复通道或人工放行; 多一条通道: {effect.zh}",
        f"Guide guests, mend a lane or admit by hand; with one lane more: {effect.en}",
    )


def no_news() -> Text:
    """Why everything is opened."""
    return Text("收不到此闸口的消息: 全部开放", "Nothing is heard of this gate: every lane opens")


def _each(guests: float, lanes: int) -> str:
    return f"{guests / lanes:.0f}" if lanes else "∞"


def pressure(inside_out: float, inward: int, leaving: float, outward: int) -> Text:
    """Why a reversible lane should change: who waits on either side, and for how many lanes."""
    return Text(
        f"进场排队约 {inside_out:.0f} 人 ({inward} 条通道), 离场等候约 {leaving:.0f} 人 ({outward} 条通道)",
        f"About {inside_out:.0f} guests wait to enter ({inward} lanes), {leaving:.0f} to leave ({outward} lanes)",
    )


def pressure_after(entering: float, inward: int, leaving: float, outward: int) -> Text:
    """What it comes to after the change."""
    each_in, each_out = _each(entering, inward), _each(leaving, outward)
    return Text(
        f"换向后每条通道: 进场约 {each_in} 人, 离场约 {each_out} 人",
        f"Guests a lane after the change: about {each_in} to enter, {each_out} to leave",
    )


def nobody_tells_who_leaves() -> Text:
    """Why a lane that leads out should lead in again."""
    return Text("不知道有多少人要离场: 通道恢复进场", "Nobody tells how many want to leave: the lane leads in again")


def lane_back() -> Text:
    """What comes of that."""
    return Text("离场不受影响, 转臂向外始终可通行", "The way out stays free at every lane")


def sign_share(share: float) -> Text:
    """Why a display should name a gate."""
    return Text(f"应引导约 {share:.0%} 的客人前往此闸口", f"About {share:.0%} of its guests should take this gate")


def sign_effect() -> Text:
    """What comes of it."""
    return Text("按指示走的客人, 少等的时间多于多走的时间", "Guests who follow it save more waiting than they walk")
