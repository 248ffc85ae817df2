"""Why a lane does not serve, in both languages."""

import pytest

from resort.lane_words import lane_words
from resort.texts import Text


@pytest.mark.parametrize(
    ("detail", "zh"),
    [
        ("", ""),
        ("closed by order", "已按指令关闭"),
        ("silent for 12 s", "已 12 秒没有消息"),
        ("no answer within 300 ms", "300 毫秒内无应答"),
        ("something new", "something new"),
    ],
)
def test_details_in_chinese(detail: str, zh: str) -> None:
    assert lane_words(detail) == Text(zh, detail)
