"""The face bench's own parts: what it times, the frame it shows, the photographs it fetches, the holders it makes up.

That it runs to its end shows in `tests/integration/test_benches.py`.
"""

from datetime import date
from pathlib import Path

import pytest

from benchmarks.face import FRAME, gallery, lane_frame, random_vectors, timed
from benchmarks.face_photographs import PHOTOGRAPHS, photographs
from benchmarks.face_pool import RandomFaces
from resort.errors import PartMissing
from resort.faces import StoredFace
from resort.ids import TicketId


def test_time_is_per_call() -> None:
    calls: list[int] = []
    cpu_ms, p50_ms = timed(lambda: calls.append(sum(range(20_000))), 0.05)
    assert len(calls) > 3
    assert cpu_ms > 0
    assert p50_ms > 0


def test_a_gallery_of_random_faces_finds_each() -> None:
    filled, vectors = gallery(3, 200), random_vectors(3, 200)
    assert [ranking.holder for ranking in filled.rank(vectors)] == [f"holder-{number}" for number in range(200)]


def test_a_lane_frame_has_the_cameras_size() -> None:
    assert lane_frame(photographs()["one_1"]).shape == (*FRAME, 3)


def test_photographs_are_fetched_once_and_broken_ones_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {photograph.name for photograph in PHOTOGRAPHS}
    assert set(photographs()) == kept
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert set(photographs()) == kept
    with pytest.raises(PartMissing, match="pip could not download it"):
        photographs(tmp_path)


async def test_made_up_holders_are_read_page_by_page() -> None:
    """As many as asked for, the real one first, each with a ticket of its own; the same for each actor that reads them."""
    day = date(2026, 12, 5)
    real = StoredFace(ticket_id=TicketId("f" * 16), model_id="random", vector=b"", valid_on=day, valid_until=day)
    faces = RandomFaces(3, [real], 25)
    pages = [await faces.after(version, 10) for version in (0, 10, 20, 25)]
    assert [len(page) for page in pages] == [10, 10, 5, 0]
    changes = [change for page in pages for change in page]
    assert changes[0].face is real
    assert [change.version for change in changes] == list(range(1, 26))
    assert len({change.ticket_id for change in changes}) == 25
    assert await RandomFaces(3, [real], 25).after(10, 10) == pages[1]
