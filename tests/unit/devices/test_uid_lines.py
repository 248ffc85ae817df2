"""UIDs in the lines of NFC readers: how they may be written, what is none, and that no ticket code can be one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.uid_lines import UidLines
from resort.access.codes import CODE_LENGTH
from resort.errors import InvalidConfig
from resort.site import UidLine


@pytest.mark.parametrize(
    ("line", "text", "said"),
    [
        (UidLine(), "04A2B3C4D5E680", "nfc:04a2b3c4d5e680"),
        (UidLine(), "04:a2:b3:c4:d5:e6:80", "nfc:04a2b3c4d5e680"),
        (UidLine(), "DE-AD BE EF", "nfc:deadbeef"),
        (UidLine(reversed=True), "80E6D5C4B3A204", "nfc:04a2b3c4d5e680"),
        (UidLine(pattern="UID=([0-9A-F]+);.*"), "UID=DEADBEEF;RSSI=-40", "nfc:deadbeef"),
        (UidLine(digits="decimal"), "3735928559", "nfc:deadbeef"),
        (UidLine(digits="decimal"), "0000000255", "nfc:000000ff"),
        (UidLine(digits="decimal", reversed=True), "4022250974", "nfc:deadbeef"),
        (UidLine(bytes=(8,)), "E004010012345678", "nfc:e004010012345678"),
        (UidLine(), "DEADBEE", None),
        (UidLine(), "DEADBEEF00", None),
        (UidLine(), "DEADBEEG", None),
        (UidLine(), "", None),
        (UidLine(), "１２３４５６７８", None),
        (UidLine(pattern="UID=([0-9A-F]+)"), "DEADBEEF", None),
        (UidLine(pattern="(?:UID=([0-9A-F]+))?"), "", None),
        (UidLine(digits="decimal"), "4294967296", None),
        (UidLine(digits="decimal"), "DEADBEEF", None),
        (UidLine(digits="decimal"), "-1", None),
    ],
)
def test_lines(line: UidLine, text: str, said: str | None) -> None:
    assert UidLines(line).text(text) == said


@pytest.mark.parametrize(
    "line", [UidLine(pattern="("), UidLine(pattern="UID"), UidLine(pattern="(a)(b)"), UidLine(bytes=()), UidLine(bytes=(0,))]
)
def test_formats_that_cannot_be_are_refused(line: UidLine) -> None:
    with pytest.raises(InvalidConfig, match=r"camera\.uid"):
        UidLines(line)


@given(st.text(max_size=60))
def test_any_line_is_a_uid_or_nothing_and_never_as_long_as_a_ticket_code(text: str) -> None:
    said = UidLines(UidLine(bytes=tuple(range(1, 17)))).text(text)
    assert said is None or (said.startswith("nfc:") and len(said) % 2 == 0 and len(said) != CODE_LENGTH)
