"""When a lane looks for a face alone: who steps up right behind, and who gets the processor while a face is being read."""

import asyncio

from actors.lane_faces import LATE_MOST
from resort.face_rules import OneToMany, Ranking
from tests.unit.actors.test_lane_faces import TICKET, Stand, identified


async def test_who_steps_up_right_behind_somebody_who_was_let_in_is_asked_about_at_once() -> None:
    stand = Stand()
    await stand.looks(3)
    assert len(stand.told) == 1
    stand.free = False  # somebody passes; the scene is never empty
    await stand.looks(5)
    stand.free, stand.pool.identity = (
        True,
        OneToMany().decide(Ranking("next", 0.9, 0.1), [Ranking("next", 0.9, 0.1)] * 3, 100, 1),
    )
    await stand.looks(3)
    assert [told.decision.holder for told in stand.told] == [TICKET, "next"]


async def test_a_lane_that_watches_looks_when_a_frame_comes() -> None:
    stand = Stand()
    told = asyncio.Event()
    watching = asyncio.create_task(stand.faces.watch(lambda: True, lambda _: told.set()))
    for _ in range(3):
        stand.clock.advance_ms(67)
        stand.camera.shoot()
        for _ in range(5):  # no time goes by: whoever waits for a tick of the clock sees nothing
            await asyncio.sleep(0)
    assert told.is_set()
    watching.cancel()


async def test_hard_codes_wait_until_a_face_was_asked_about_in_vain() -> None:
    stand = Stand()
    stand.pool.identity = identified(0.2)
    stand.camera.stirred = False
    await stand.looks(1)
    stand.camera.stirred = True
    await stand.looks(2)
    assert stand.camera.face_first
    await stand.looks(1)
    assert (stand.faces.questions, stand.camera.face_first) == (1, False)
    stand.camera.stirred = False
    await stand.looks(1)
    assert stand.camera.face_first


async def test_late_answers_keep_hard_codes_waiting_and_only_so_long() -> None:
    stand = Stand()
    stand.pool.late = True
    waited: list[bool] = []
    while stand.faces.questions < LATE_MOST + 1:
        asked = stand.faces.questions
        await stand.looks(1)
        if stand.faces.questions > asked:
            waited.append(stand.camera.face_first)
    assert waited == [True] * LATE_MOST + [False]
    stand.pool.late, stand.pool.away = False, True
    stand.camera.stirred = False
    await stand.looks(1)
    stand.camera.stirred = True
    await stand.looks(3)
    assert not stand.camera.face_first, "a pool that is away says so, and the next may hold up a code"
