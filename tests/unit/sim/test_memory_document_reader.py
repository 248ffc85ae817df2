"""The simulated readers, through their ports."""

import asyncio
from datetime import UTC, datetime

import pytest

from resort.clock import ManualClock
from resort.documents import blind_index
from resort.errors import Invalid
from resort.heights import HeightLimits
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


async def test_a_height_is_told_while_somebody_stands_there() -> None:
    sensor = MemoryHeightSensor(HeightLimits())
    port: HeightSensor = sensor
    assert await port.band() is None
    sensor.height_cm = 135.0
    assert await port.band() == "child"
    await port.close()
