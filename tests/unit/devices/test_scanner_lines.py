"""Scanner lines: framing, noise, and any bytes in any pieces."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.scanner_lines import MAX_LINE_BYTES, ScannerLines
from resort.site import ScannerLine

PREFIX, SUFFIX = "]Q3", "#"
LINES = st.builds(
    ScannerLine,
    st.sampled_from(["", PREFIX, "雪"]),
    st.sampled_from(["", SUFFIX]),
    st.sampled_from(["any", "CR", "LF", "CRLF"]),
)
SNIPPETS = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b"A", b"CODE 1", b"]Q3", b"#", b"\xff\x00", "雪".encode(), b"X" * 300, b"Y" * (MAX_LINE_BYTES + 1)]
)


def texts_of(data: bytes, line: ScannerLine | None = None) -> list[str]:
    return ScannerLines(line or ScannerLine()).feed(data)


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_without_settings_any_end_of_line_will_do(end: bytes) -> None:
    assert texts_of(b"ONE" + end + b"TWO" + end) == ["ONE", "TWO"]


@pytest.mark.parametrize(
    ("terminator", "data", "texts"),
    [
        ("CR", b"ONE\rTWO\nTHREE\r", ["ONE", "TWO\nTHREE"]),
        ("LF", b"ONE\nTWO\rTHREE\n", ["ONE", "TWO\rTHREE"]),
        ("CRLF", b"ONE\r\nTWO\rTHREE\n\r\n", ["ONE", "TWO\rTHREE\n"]),
    ],
)
def test_a_terminator_that_is_set_alone_ends_a_line(terminator: str, data: bytes, texts: list[str]) -> None:
    assert texts_of(data, ScannerLine(terminator=terminator)) == texts  # type: ignore[arg-type]


def test_a_code_keeps_the_spaces_at_its_ends() -> None:
    assert texts_of(b" A B \r\n") == [" A B "]


def test_prefix_and_suffix_are_taken_off_once() -> None:
    line = ScannerLine(PREFIX, SUFFIX)
    assert texts_of(b"]Q3]Q3CODE##\r\n", line) == ["]Q3CODE#"]


@pytest.mark.parametrize("noise", [b"CODE#", b"]Q3CODE", b"NOREAD", b"]Q", b"#"])
def test_a_line_without_prefix_or_suffix_is_noise(noise: bytes) -> None:
    lines = ScannerLines(ScannerLine(PREFIX, SUFFIX))
    assert lines.feed(noise + b"\r]Q3GOOD#\r") == ["GOOD"]
    assert lines.noise == 1


def test_prefix_and_suffix_do_not_overlap() -> None:
    lines = ScannerLines(ScannerLine("##", "##"))
    assert lines.feed(b"###\r####\r##X##\r") == ["X"]
    assert lines.noise == 1


@pytest.mark.parametrize(("length", "taken"), [(MAX_LINE_BYTES, True), (MAX_LINE_BYTES + 1, False)])
@pytest.mark.parametrize("terminator", ["any", "CRLF"])
@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_a_line_that_is_too_long_is_dropped_whole(length: int, taken: bool, terminator: str, piece: int) -> None:
    lines = ScannerLines(ScannerLine(terminator=terminator))  # type: ignore[arg-type]
    data = b"X" * length + b"\r\nNEXT\r\n"
    texts = [text for at in range(0, len(data), piece) for text in lines.feed(data[at : at + piece])]
    assert texts == (["X" * length] if taken else []) + ["NEXT"]
    assert lines.noise == (not taken)


def test_a_stream_without_an_end_of_line_takes_no_room() -> None:
    lines = ScannerLines(ScannerLine())
    for _ in range(100):
        assert lines.feed(b"Z" * 10_000) == []
    assert lines.feed(b"\rNEXT\r") == ["NEXT"]
    assert lines.noise == 1


def test_what_an_old_connection_cut_off_is_forgotten() -> None:
    lines = ScannerLines(ScannerLine())
    lines.feed(b"HALF A CO")
    lines.begin()
    assert lines.feed(b"WHOLE\r") == ["WHOLE"]


def test_bytes_that_are_no_text_are_in_no_code() -> None:
    assert texts_of(b"\xff\xfe\r") == ["��"]


@given(LINES, st.lists(SNIPPETS, max_size=30).map(b"".join), st.lists(st.integers(0, 700), max_size=12))
def test_the_pieces_in_which_bytes_come_make_no_difference(line: ScannerLine, data: bytes, cuts: list[int]) -> None:
    whole, pieces = ScannerLines(line), ScannerLines(line)
    expected = whole.feed(data)
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    found = [text for begins, ends in pairwise(places) for text in pieces.feed(data[begins:ends])]
    assert (found, pieces.noise) == (expected, whole.noise)


@given(LINES, st.lists(st.binary(max_size=900), max_size=8))
def test_no_bytes_are_too_strange(line: ScannerLine, pieces: list[bytes]) -> None:
    lines = ScannerLines(line)
    for piece in pieces:
        for text in lines.feed(piece):
            assert text
            assert len(text) <= MAX_LINE_BYTES
            assert line.terminator != "any" or not {"\r", "\n"} & set(text)
