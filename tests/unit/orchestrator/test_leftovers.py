"""What a killed run left behind is ended; nobody else's process is."""

import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from orchestrator.leftovers import RunFile

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
RECORD = """
import subprocess, sys
from pathlib import Path
from orchestrator.leftovers import RunFile
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], **quiet)
RunFile(Path(sys.argv[1])).record_children()
print(child.pid)
"""
LOCK = "import sys; from pathlib import Path; from orchestrator.leftovers import RunFile; RunFile(Path(sys.argv[1])).acquire()"


def test_children_are_recorded_and_ended(tmp_path: Path) -> None:
    # In a process of its own: every child of this one would be recorded, and ended, too.
    path = tmp_path / "run.json"
    parent = subprocess.run([sys.executable, "-c", RECORD, str(path)], capture_output=True, text=True, check=True)
    child = int(parent.stdout)
    assert psutil.pid_exists(child)
    assert RunFile(path).end_recorded() == 1
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_process_with_the_same_id_but_another_start_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    child = subprocess.Popen(SLEEP)
    try:
        other = [{"pid": child.pid, "started": psutil.Process(child.pid).create_time() - 100}]
        path.write_bytes(msgspec.json.encode(other))
        assert RunFile(path).end_recorded() == 0
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("content", [b"", b"not json", b'{"pid": 1}'])
def test_a_broken_list_ends_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    assert RunFile(path).end_recorded() == 0


def test_only_one_may_hold_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    run_file = RunFile(path)
    run_file.acquire()
    try:
        second = subprocess.run([sys.executable, "-c", LOCK, str(path)], capture_output=True, text=True, check=False)
        assert "another snowgate is open" in second.stderr
    finally:
        run_file.release()
    run_file = RunFile(path)
    run_file.acquire()
    run_file.release()
