"""`snowgate bench reader`: our reader of code frames against zxing-cpp alone and pyzbar alone, cell by cell.

A cell is a condition (`benchmarks/reader_scenes.py`) in a size; a guest holds a code up for some frames, with an empty lane
before. Guest by guest it is the next reader's turn, so that what else the machine does falls on all alike; times are of the
processor, as none of them uses more than one core. A guest is read when any of his frames is. Promised: at least as many
guests as either reads alone in every cell, no wrong text, and a median frame at no more than `MOST_P50` of zxing-cpp's.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

import zxingcpp
from pyzbar import pyzbar

from benchmarks.reader_scenes import CONDITIONS, SIZES, Condition, Grey, empty_frames, presentations
from devices.code_engines import zbar_problem
from devices.code_reader import CodeReader
from orchestrator.measured import Measured, machine
from resort.errors import SnowgateError, Unavailable

GUESTS = 24  # in a cell
FRAMES = 6  # of each: 0.4 s at 15 frames a second
EMPTY = 60
MOST_P50 = 1.5
_QR = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
Reads = Callable[[Grey], list[str]]


class ReaderFellShort(SnowgateError):
    """A cell in which our reader is not what was promised."""

    code = "reader_fell_short"

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found

    def __str__(self) -> str:
        return f"The reader falls short of what was promised: {self.found}."


@dataclass(slots=True)
class Score:
    """What one reader made of a cell."""

    times_ms: list[float] = field(default_factory=list)
    frames_read: int = 0
    guests_read: int = 0
    wrong: int = 0

    def take(self, text: str | None, frames: Sequence[Grey], reads: Reads) -> None:
        """One guest's frames, in which `text` is to be read."""
        read = 0
        for grey in frames:
            own = grey.copy()  # a frame comes fresh from the JPEG decoder, near at hand
            began = time.thread_time_ns()
            texts = reads(own)
            self.times_ms.append((time.thread_time_ns() - began) / 1e6)
            read += text in texts
            self.wrong += any(other != text for other in texts)
        self.frames_read += read
        self.guests_read += read > 0


async def measure(seed: int, seconds: float, told: Callable[[str], None]) -> Measured:
    """Run it; `seconds` is not used, as what is promised is about a number of frames. Raises ReaderFellShort, Unavailable."""
    measured = await asyncio.to_thread(compare, seed, told)
    if short := fell_short(measured):
        raise ReaderFellShort("; ".join(short))
    return measured


def compare(seed: int, told: Callable[[str], None], sizes: Sequence[tuple[int, int]] = SIZES, guests: int = GUESTS) -> Measured:
    """Every cell. Raises Unavailable without libzbar0."""
    if (problem := zbar_problem()) is not None:
        raise Unavailable("pyzbar", problem)
    figures: dict[str, float] = {"wrong_texts": 0}
    limits: dict[str, float] = {}
    ratios: dict[str, float] = {}
    for size in sizes:
        scores = _cell([(None, (), empty_frames(seed, size, EMPTY))])
        _enter(f"empty_{size[1]}", scores, 0, figures, limits, ratios)
        for condition in CONDITIONS:
            told(f"{condition}, {size[0]} x {size[1]} …")
            scores = _guests(seed, condition, size, guests)
            _enter(f"{condition}_{size[1]}", scores, guests, figures, limits, ratios)
    ratios["p50_over_zxing_worst"] = max(ratio for name, ratio in ratios.items() if name.endswith("_p50_over_zxing"))
    ratios["read_over_best_worst"] = min(ratio for name, ratio in ratios.items() if name.endswith("_read_over_best"))
    return Measured("reader", seed, machine(), figures, limits, ratios)


def fell_short(measured: Measured) -> list[str]:
    """What was promised and does not hold, in words."""
    short = [
        f"{name} is {ratio:.2f}, above {MOST_P50}"
        for name, ratio in measured.ratios.items()
        if name.endswith("_p50_over_zxing") and ratio > MOST_P50
    ]
    short += [
        f"{name} is {ratio:.2f}, below 1"
        for name, ratio in measured.ratios.items()
        if name.endswith("_read_over_best") and ratio < 1
    ]
    if measured.figures["wrong_texts"]:
        short.append(f"{measured.figures['wrong_texts']:.0f} wrong texts")
    return short


def _guests(seed: int, condition: Condition, size: tuple[int, int], guests: int) -> dict[str, Score]:
    return _cell([(shown.text, shown.before, shown.frames) for shown in presentations(seed, condition, size, guests, FRAMES)])


def _cell(shown: Sequence[tuple[str | None, Sequence[Grey], Sequence[Grey]]]) -> dict[str, Score]:
    """What each reader makes of these guests: the text that is held up, frames before, frames."""
    reader = CodeReader()
    readers: dict[str, Reads] = {"reader": lambda grey: _ours(reader, grey), "zxing": _zxing_alone, "pyzbar": _pyzbar_alone}
    scores = {name: Score() for name in readers}
    for text, before, frames in shown:
        for name, reads in readers.items():
            for grey in before:
                reads(grey)
            scores[name].take(text, frames, reads)
    return scores


def _ours(reader: CodeReader, grey: Grey) -> list[str]:
    text = reader.read_grey(grey).text
    return [] if text is None else [text]


def _zxing_alone(grey: Grey) -> list[str]:
    return [code.text for code in zxingcpp.read_barcodes(grey, formats=_QR)]


def _pyzbar_alone(grey: Grey) -> list[str]:
    return [code.data.decode() for code in pyzbar.decode(grey, symbols=[pyzbar.ZBarSymbol.QRCODE])]


def _enter(
    cell: str,
    scores: dict[str, Score],
    guests: int,
    figures: dict[str, float],
    limits: dict[str, float],
    ratios: dict[str, float],
) -> None:
    """A cell's numbers under its name. Shares are of guests and of frames, 0 to 1; an empty lane has none."""
    for name, score in scores.items():
        entries = figures if name == "reader" else limits
        entries[f"{cell}_{name}_p50_ms"] = round(median(score.times_ms), 4)
        entries[f"{cell}_{name}_frames_per_s"] = round(1000 / fmean(score.times_ms), 1)
        if guests:
            entries[f"{cell}_{name}_guests_read_share"] = round(score.guests_read / guests, 4)
            entries[f"{cell}_{name}_frames_read_share"] = round(score.frames_read / len(score.times_ms), 4)
    ours, zxing, pyzbar_alone = scores["reader"], scores["zxing"], scores["pyzbar"]
    figures["wrong_texts"] += ours.wrong
    ratios[f"{cell}_p50_over_zxing"] = round(median(ours.times_ms) / median(zxing.times_ms), 4)
    if guests:
        best = max(zxing.guests_read, pyzbar_alone.guests_read)
        ratios[f"{cell}_read_over_best"] = round(ours.guests_read / best, 4) if best else 1.0
