"""The form of a spool file: records, segments, and reading what is left after a crash. No locks, no threads, no events.

A file is a row of segments of equal size. A segment is written from its front and used again, under a new generation, when
SQL has all its events; whatever an older generation left behind is not counted. So the file starts over without any write
of its own, and no record is ever overwritten while it counts.

  record   magic (4 bytes) · generation (u32) · length (u31, top bit: mark) · crc32 of the rest of the record (u32) · body
  event    the journal event as JSON
  mark     `Mark` as JSON; the first record of every segment is one

Little endian. The magic is no UTF-8, so it is in no body, and reading can go on behind a damaged place.
"""

import os
import struct
import zlib
from collections.abc import Sequence

import msgspec

from resort.ids import LaneId

MAGIC = b"\xd5SG1"
SEGMENT = 1 << 18  # bytes
_HEAD = struct.Struct("<4sII")
_CRC = struct.Struct("<I")
HEAD = _HEAD.size + _CRC.size
_MARK = 1 << 31
_encoder = msgspec.json.Encoder()


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """What holds from here on. Of several, the last one of the newest generation counts."""

    live: list[int]  # generations that count, this one included
    last: dict[LaneId, int]  # the highest number that each lane ever gave to an event in this spool
    stored: dict[LaneId, int]  # the number of each lane up to which SQL has everything


_mark_decoder = msgspec.json.Decoder(Mark)


class Record(msgspec.Struct, frozen=True, gc=False):
    """One whole record: where it ends in its segment, and what it says (`mark` or the body of an event)."""

    start: int
    end: int
    body: bytes
    mark: Mark | None = None


class Segment(msgspec.Struct, frozen=True):
    """One segment as it was read: the whole records of its newest generation, in order."""

    index: int
    generation: int
    records: list[Record]
    damaged: bool  # whole records lie behind a place that is none, or the first one is gone

    @property
    def end(self) -> int:
        """Behind the last whole record."""
        return self.records[-1].end


class SpoolContent(msgspec.Struct, frozen=True):
    """What a file says: its segments by generation (oldest first), which of them count, and the lanes' numbers."""

    segments: list[Segment]
    live: set[int]
    last: dict[LaneId, int]
    stored: dict[LaneId, int]
    damaged: bool  # something that counts may be missing
    foreign: list[int]  # segments that hold something, but nothing of ours

    def bodies(self) -> list[tuple[int, bytes]]:
        """Generation and body of every event that counts, oldest first; SQL may have some of them."""
        return [
            (segment.generation, record.body)
            for segment in self.segments
            if segment.generation in self.live
            for record in segment.records
            if record.mark is None
        ]


def pack_event(generation: int, body: bytes) -> bytes:
    """An event's record."""
    return _pack(generation, len(body), body)


def pack_mark(generation: int, mark: Mark) -> bytes:
    """A mark's record."""
    body = _encoder.encode(mark)
    return _pack(generation, len(body) | _MARK, body)


def _pack(generation: int, length: int, body: bytes) -> bytes:
    head = _HEAD.pack(MAGIC, generation, length)
    return head + _CRC.pack(zlib.crc32(body, zlib.crc32(head))) + body


def read_content(fd: int, size: int) -> SpoolContent:
    """Read a file of segments of `size` bytes. Raises OSError."""
    segments: list[Segment] = []
    foreign: list[int] = []
    for index in range(-(-os.fstat(fd).st_size // size)):
        data = os.pread(fd, size, index * size)
        segment = read_segment(index, data)
        if segment is not None:
            segments.append(segment)
        elif data.strip(b"\0") and not data.startswith(MAGIC):  # a torn first record is what a power cut leaves
            foreign.append(index)
    segments.sort(key=lambda segment: segment.generation)
    return _content(segments, foreign)


def _content(segments: list[Segment], foreign: list[int]) -> SpoolContent:
    last: dict[LaneId, int] = {}
    stored: dict[LaneId, int] = {}
    for segment in segments:
        for record in segment.records:
            if record.mark is not None:
                _raise(last, record.mark.last)
                _raise(stored, record.mark.stored)
    found = {segment.generation for segment in segments}
    live = found
    if segments and (newest := [record.mark for record in segments[-1].records if record.mark is not None]):
        live = set(newest[-1].live)
    damaged = bool(foreign) or not live <= found or any(each.damaged for each in segments if each.generation in live)
    return SpoolContent(segments, live & found, last, stored, damaged, foreign)


def _raise(numbers: dict[LaneId, int], others: dict[LaneId, int]) -> None:
    for lane_id, number in others.items():
        numbers[lane_id] = max(number, numbers.get(lane_id, 0))


def read_segment(index: int, data: bytes) -> Segment | None:
    """The whole records of the newest generation in `data`, None when there is none."""
    by_generation: dict[int, list[Record]] = {}
    position = data.find(MAGIC)
    while position >= 0:
        found = _record_at(data, position)
        if found is None:
            position = data.find(MAGIC, position + 1)
            continue
        generation, record = found
        by_generation.setdefault(generation, []).append(record)
        position = data.find(MAGIC, record.end)
    if not by_generation:
        return None
    generation = max(by_generation)
    records = by_generation[generation]
    ends: Sequence[int] = [0, *(record.end for record in records[:-1])]
    damaged = any(record.start != end for record, end in zip(records, ends, strict=True))
    return Segment(index, generation, records, damaged)


def _record_at(data: bytes, start: int) -> tuple[int, Record] | None:
    body_at = start + HEAD
    if body_at > len(data):
        return None
    _, generation, length = _HEAD.unpack_from(data, start)
    end = body_at + (length & ~_MARK)
    if end > len(data):
        return None
    body = data[body_at:end]
    (crc,) = _CRC.unpack_from(data, start + _HEAD.size)
    if zlib.crc32(body, zlib.crc32(data[start : start + _HEAD.size])) != crc:
        return None
    if not length & _MARK:
        return generation, Record(start, end, body)
    return generation, Record(start, end, b"", _mark_decoder.decode(body))
