"""The course of a virtual day: order, and one clock on two scales."""

from datetime import UTC, datetime, timedelta

from sim.mountain.course import NS_PER_S, Course

BEGINS = datetime(2026, 12, 12, tzinfo=UTC)


def test_things_are_done_in_order_and_equal_moments_as_they_were_asked_for() -> None:
    course, done = Course(BEGINS), []
    course.do(2.0, done.append, "c")
    course.do(1.0, done.append, "a")
    course.do(1.0, lambda: course.after(0.5, done.append, "b"))
    assert course.run(1.2)
    assert done == ["a"]
    assert not course.run(10.0)
    assert done == ["a", "b", "c"]
    assert course.at == 10.0
    assert course.steps == 4


def test_what_is_late_is_done_now() -> None:
    course, done = Course(BEGINS), []
    course.do(5.0, lambda: course.do(1.0, lambda: done.append(course.at)))
    course.run(9.0)
    assert done == [5.0]


def test_now_is_the_same_moment_on_both_scales() -> None:
    course = Course(BEGINS)
    course.run(90.25)
    assert course.now().at == BEGINS + timedelta(seconds=90.25)
    assert course.now().tick_ns == 90.25 * NS_PER_S
