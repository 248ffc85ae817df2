"""The simulated readers, through their ports."""

import asyncio
import logging
import traceback
from datetime import UTC, datetime
from typing import get_args, get_type_hints

import msgspec
import pytest

from resort.clock import ManualClock
from resort.documents import DocumentRead, DocumentSeen, blind_index
from resort.errors import Invalid
from resort.heights import HeightLimits
from resort.messages import JournalEvent
from resort.ports import DocumentReader, HeightSensor
from sim.memory_document_reader import MemoryDocumentReader, MemoryHeightSensor

KEY = b"k" * 32
NUMBER = "11010519491231002X"


async def test_documents_come_without_their_numbers_until_it_is_closed() -> None:
    reader = MemoryDocumentReader(KEY, ManualClock(datetime(2026, 12, 12, tzinfo=UTC)))
    port: DocumentReader = reader
    documents = port.documents()
    waiting = asyncio.ensure_future(anext(documents))
    await asyncio.sleep(0)
    reader.present("resident_id", NUMBER, 1949)
    seen = await waiting
    assert seen.index == blind_index("resident_id", NUMBER, KEY)
    assert NUMBER not in repr(seen)
    with pytest.raises(Invalid):
        reader.present("resident_id", "110105194912310021")
    await port.close()
    assert [document async for document in documents] == []


async def test_no_number_leaves_the_reader_in_a_text_a_log_or_what_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    reader = MemoryDocumentReader(KEY, ManualClock(datetime(2026, 12, 12, tzinfo=UTC)))
    wrong = NUMBER[:-1] + "1"
    with pytest.raises(Invalid) as caught:
        reader.present("resident_id", wrong)
    reader.present("resident_id", NUMBER, 1949)
    seen = await anext(reader.documents())
    await reader.close()
    shown = [*traceback.format_exception(caught.value), caplog.text, repr(reader), repr(seen)]
    sent = msgspec.json.encode({"kind": seen.kind, "index": seen.index, "birth_year": seen.birth_year}).decode()
    for text in (*shown, sent):
        assert wrong[:14] not in text
        assert NUMBER[6:14] not in text
    assert "number" not in get_type_hints(DocumentSeen)


def test_no_event_has_room_for_what_a_reader_took_off_a_document() -> None:
    events = get_args(JournalEvent)
    assert len(events) > 10
    for event in events:
        assert not {DocumentRead, DocumentSeen} & set(get_type_hints(event).values()), event


async def test_a_height_is_told_while_somebody_stands_there() -> None:
    sensor = MemoryHeightSensor(HeightLimits())
    port: HeightSensor = sensor
    assert await port.band() is None
    sensor.height_cm = 135.0
    assert await port.band() == "child"
    await port.close()
