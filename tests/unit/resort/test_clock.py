"""The clocks: one that moves only when told, and the machine's own, which drills can set. The latter in processes of their own,
because there is no way back."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from resort.clock import ManualClock, SystemClock, set_rehearsed_clock

JUMP = """
import sys
from pathlib import Path
from resort.clock import SystemClock, rehearse_clock, set_rehearsed_clock

file, clock = Path(sys.argv[1]), SystemClock()
set_rehearsed_clock(file, 0)
rehearse_clock(file, steady=sys.argv[2] == "steady")
before = clock.now()
for shift_ms in (7_200_000, -7_200_000):
    set_rehearsed_clock(file, shift_ms)
    now = clock.now()
    print(round((now.at - before.at).total_seconds() / 60), round(now.ms_since(before) / 60_000))
"""


@pytest.mark.parametrize(("how", "said"), [("steady", "120 0\n-120 0\n"), ("unsteady", "120 120\n-120 -120\n")])
def test_every_clock_of_the_process_jumps_and_a_steady_one_keeps_its_tick(tmp_path: Path, how: str, said: str) -> None:
    command = [sys.executable, "-c", JUMP, str(tmp_path / "clock"), how]
    assert subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout == said


def test_nobody_elses_clock_is_set(tmp_path: Path) -> None:
    clock = SystemClock()
    before = clock.now()
    set_rehearsed_clock(tmp_path / "clock", 7_200_000)
    assert (clock.now().at - before.at).total_seconds() < 3600


def test_a_manual_clock_moves_when_told_and_never_back() -> None:
    clock = ManualClock(datetime(2026, 12, 1, tzinfo=UTC))
    before = clock.now()
    after = clock.advance_ms(1_500)
    assert (after.ms_since(before), (after.at - before.at).total_seconds()) == (1_500, 1.5)
    assert clock.now() == after
    with pytest.raises(ValueError, match="only moves forward"):
        clock.advance_ms(-1)
