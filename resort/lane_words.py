"""What parts say of themselves, for people: drivers, lanes and the journal say it in English, operators read it in their
language too.

A phrase that is not known here is shown as it came: better English than nothing.
"""

import re

from resort.texts import Text

_PHRASES = {
    "not yet reached": "尚未连上",
    "never heard of": "尚未收到消息",
    "closed by order": "已按指令关闭",
    "leads out by order": "已按指令改为出口",
    "changes direction": "正在换向",
    "its profile has no direction": "此型号不支持换向",
    "fire release is asserted": "消防释放已触发",
    "the turnstile reports a fault": "闸机报告故障",
    "not connected": "未连接",
    "the connection was lost": "连接中断",
    "it stopped answering, nothing was sent": "已停止应答, 未发送指令",
    "it does not take the connection": "拒绝连接",
    "it sent half an answer": "应答不完整",
    "it answered nonsense": "应答无法识别",
    "the bus is busy, nothing was sent": "总线繁忙, 未发送指令",
    "its connection was given back": "连接已释放",
    "it did not answer lately and is asked again within a second": "近期无应答, 一秒内再次询问",
    "the database cannot be written": "数据库无法写入",
    "clear": "清晰",
    "dark": "过暗",
    "glare": "过亮",
    "dull": "镜头脏污或有雾",
}
_PATTERNS = [
    (re.compile(r"silent for (\d+) s"), "已 {} 秒没有消息"),
    (re.compile(r"no answer within (\d+) ms"), "{} 毫秒内无应答"),
    (re.compile(r"it left (\d+) requests unanswered"), "连续 {} 个请求无应答"),
    (re.compile(r"gates that decide without it: (.+)"), "自行决定的闸口: {}"),
    (re.compile(r"it answered exception (\d+) .*"), "应答异常代码 {}"),
]


def lane_words(detail: str) -> Text:
    """The detail of a lane's state in both languages; both empty when there is none."""
    known = _PHRASES.get(detail)
    if known is not None:
        return Text(known, detail)
    for pattern, words in _PATTERNS:
        match = pattern.fullmatch(detail)
        if match is not None:
            return Text(words.format(match[1]), detail)
    return Text(detail, detail)
