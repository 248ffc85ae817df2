"""The gallery against a search written out plainly, through every change; and that who is revoked is gone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_models.face_embedder import LENGTH, Vector, fused, normalised
from ml_models.face_gallery import BLOCK, Gallery
from resort.errors import Invalid
from resort.face_rules import NOBODY, FaceReason, FaceVerdict, Ranking

MODEL = "model@1"


def directions(seed: int, number: int) -> list[Vector]:
    return [normalised(row) for row in np.random.default_rng(seed).standard_normal((number, LENGTH)).astype(np.float32)]


def filled(vectors: list[Vector]) -> Gallery:
    gallery = Gallery(MODEL)
    for number, vector in enumerate(vectors):
        gallery.add(f"h{number}", [vector], MODEL)
    return gallery


def plainly(held: dict[str, Vector], query: Vector) -> Ranking:
    scores = sorted(((float(vector @ query), holder) for holder, vector in held.items()), reverse=True)
    if not scores:
        return Ranking()
    return Ranking(scores[0][1], scores[0][0], scores[1][0] if len(scores) > 1 else NOBODY)


def assert_alike(found: Ranking, expected: Ranking) -> None:
    assert found.holder == expected.holder
    assert (found.score, found.runner_up) == (
        pytest.approx(expected.score, abs=1e-5),
        pytest.approx(expected.runner_up, abs=1e-5),
    )


@pytest.mark.parametrize("size", [0, 1, 2, 5, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_the_search_is_exact(size: int) -> None:
    vectors, queries = directions(1, size), directions(2, 5)
    gallery, held = filled(vectors), {f"h{number}": vector for number, vector in enumerate(vectors)}
    for number in (1, 3, 5):
        for ranking, query in zip(gallery.rank(queries[:number]), queries[:number], strict=True):
            assert_alike(ranking, plainly(held, query))
    assert gallery.rank([]) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30), st.booleans()), max_size=60))
def test_any_changes_leave_what_was_changed(changes: list[tuple[int, int, bool]]) -> None:
    vectors, (query,) = directions(3, 31), directions(4, 1)
    gallery, held = Gallery(MODEL), dict[str, Vector]()
    for number, vector, adding in changes:
        holder = f"h{number}"
        if adding:
            gallery.add(holder, [vectors[vector]], MODEL)
            held[holder] = vectors[vector]
        else:
            assert gallery.remove(holder) is (held.pop(holder, None) is not None)
        assert len(gallery) == len(held)
        assert (holder in gallery) is adding
        best = gallery.rank([query])[0]
        expected = plainly(held, query)
        assert (best.score, best.runner_up) == (
            pytest.approx(expected.score, abs=1e-5),
            pytest.approx(expected.runner_up, abs=1e-5),
        )
    for holder, vector in held.items():
        assert gallery.likeness(holder, vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("size", [0, 1, 2, BLOCK + 7])
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5])
def test_frames_rank_like_their_fused_vector_and_each_by_itself(size: int, frames: int) -> None:
    held = directions(3, size)
    gallery = filled(held)
    somebody = held[0] if held else directions(4, 1)[0]
    seen = [near(somebody, 100 + number, 0.7) for number in range(frames)]
    whole, each = gallery.rank_frames(seen)
    assert_alike(whole, plainly({f"h{number}": vector for number, vector in enumerate(held)}, fused(seen)))
    assert len(each) == frames
    for found, expected in zip(each, gallery.rank(seen), strict=True):
        assert_alike(found, expected)


def test_frames_that_cancel_each_other_are_refused() -> None:
    (vector,) = directions(5, 1)
    for gallery in (filled(directions(6, 3)), filled([])):
        with pytest.raises(Invalid):
            gallery.rank_frames([vector, -vector])
        with pytest.raises(Invalid):
            gallery.rank_frames([])


def test_who_is_removed_is_gone_at_once_and_from_memory_too() -> None:
    vectors = directions(5, 4)
    gallery = filled(vectors)
    rows = gallery.__dict__["_matrix"]
    for number in (1, 3, 0, 2):
        assert gallery.remove(f"h{number}")
        assert gallery.likeness(f"h{number}", vectors[number]) is None
        assert all(ranking.score < 0.9 for ranking in gallery.rank([vectors[number]]))
        for half, removed in zip(rows, vectors[number].reshape(len(rows), -1), strict=True):
            assert not (np.abs(half - removed).max(axis=1) < 1e-6).any()
    assert not gallery.remove("h1")
    assert not rows.any()


def test_growing_leaves_nobody_behind() -> None:
    vectors = directions(6, 1025)
    gallery = filled(vectors[:1024])
    rows = gallery.__dict__["_matrix"]
    gallery.add("h1024", [vectors[1024]], MODEL)
    assert not rows.any()
    assert [ranking.holder for ranking in gallery.rank([vectors[0], vectors[1023], vectors[1024]])] == ["h0", "h1023", "h1024"]


def test_a_holder_is_enrolled_by_several_pictures_and_enrolled_anew() -> None:
    first, second, third = directions(7, 3)
    gallery = Gallery(MODEL)
    gallery.add("h", [first, second], MODEL)
    assert gallery.likeness("h", first) == pytest.approx(gallery.likeness("h", second), abs=1e-5)
    gallery.add("h", [third], MODEL)
    assert len(gallery) == 1
    assert gallery.likeness("h", third) == pytest.approx(1, abs=1e-5)


def test_vectors_of_another_model_or_of_no_direction_are_refused() -> None:
    gallery, (vector,) = filled(directions(8, 2)), directions(9, 1)
    with pytest.raises(Invalid, match="model@2"):
        gallery.add("h", [vector], "model@2")
    with pytest.raises(Invalid):
        gallery.add("h", [], MODEL)
    with pytest.raises(Invalid):
        gallery.rank([np.zeros(LENGTH, np.float32)])
    assert "h" not in gallery


def near(vector: Vector, seed: int, alike: float) -> Vector:
    """A vector of that likeness to another."""
    (other,) = directions(seed, 1)
    side = normalised(other - (other @ vector) * vector)
    return normalised(alike * vector + np.float32(np.sqrt(1 - alike**2)) * side)


def test_three_frames_of_a_holder_pass_and_of_a_stranger_do_not() -> None:
    vectors = directions(10, 500)
    gallery = filled(vectors)
    frames = [near(vectors[7], seed, 0.65) for seed in (21, 22, 23)]
    decision = gallery.identify(frames)
    assert (decision.verdict, decision.holder, decision.frames, decision.holders) == (FaceVerdict.PASS, "h7", 3, 500)
    assert decision.score > 0.7  # fused frames are nearer than each
    assert gallery.identify(directions(11, 3)).reason is FaceReason.UNKNOWN
    assert gallery.identify(frames[:2]).reason is FaceReason.TOO_FEW_FRAMES
    assert gallery.identify([]).reason is FaceReason.TOO_FEW_FRAMES
    assert gallery.identify(frames, faces=2).reason is FaceReason.SECOND_FACE
    gallery.add("twin", [near(vectors[7], 30, 0.99)], MODEL)
    assert gallery.identify(frames).reason is FaceReason.LOOKALIKE
    gallery.remove("h7")
    assert gallery.identify(frames).holder == "twin"
    gallery.remove("twin")
    assert gallery.identify(frames).reason is FaceReason.UNKNOWN


def test_its_text_shows_no_vector() -> None:
    assert repr(filled(directions(12, 2))) == "Gallery(model@1, 2 holders)"
