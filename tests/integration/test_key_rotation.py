"""Keys of a running resort: rotated from outside while guests pass, taken up by every process, and in no log."""

import base64
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from tests.running_site import RunningSite

pytestmark = pytest.mark.realtime

PASSAGES = "SELECT count(*) FROM journal WHERE kind = 'PassageConfirmed' AND seq > ?"
FORGED = "SELECT count(*) FROM journal WHERE kind = 'ScanRefused' AND body LIKE '%forged_code%' AND seq > ?"
ORDERED = "SELECT body FROM journal WHERE kind = ? ORDER BY seq DESC LIMIT 1"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RunningSite]:
    site = RunningSite(tmp_path / "data").wait_open()
    yield site
    site.kill_all()


def command(site: RunningSite, *arguments: str) -> str:
    """What a `snowgate` command beside the running site says."""
    full = [sys.executable, "-m", "orchestrator", *arguments, "--data", str(site.data)]
    done = subprocess.run(full, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def logs(site: RunningSite) -> Iterator[bytes]:
    """Everything that the site's processes have written for people to read, and what it keeps beside the key file."""
    yield site.output().encode()
    sessions = {
        Path(word.partition("=")[2]).parents[0]
        for process in site.family()
        for word in _words(process)
        if "--logs-dir=" in word
    }
    for folder in sessions:
        yield from (path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for path in site.data.rglob("*"):
        if path.is_file() and path.name != "site_keys.json":
            yield path.read_bytes()


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_keys_rotate_under_way_and_staff_change_tickets_beside_a_running_site(site: RunningSite) -> None:
    key_file = site.data / "site_keys.json"
    site.until(lambda: site.sql(PASSAGES, 0)[0][0] >= 5 or None, 60)
    said = command(site, "keys", "rotate")
    assert "Key 2 signs" in said
    (seq,) = site.sql("SELECT max(seq) FROM journal")[0]
    site.until(lambda: site.sql(PASSAGES, seq)[0][0] >= 10 or None, 60)  # old codes and new ones
    assert site.sql(FORGED, seq)[0][0] == 0
    # A ticket is blocked from a terminal beside the site: the journal has it with name and note.
    ((ticket,),) = site.sql("SELECT ticket_id FROM tickets WHERE status = 'active' LIMIT 1")
    assert "is blocked." in command(site, "ticket", "block", ticket, "--note", "found on the floor")
    body = site.until(lambda: site.sql(ORDERED, "TicketChanged") or None, 20)[0][0]
    assert msgspec.json.decode(body)["note"] == "found on the floor"
    said += command(site, "ticket", "show", ticket)
    assert "found on the floor" in said
    stored = msgspec.json.decode(key_file.read_bytes())["keys"]
    assert sorted(stored) == ["1", "2"]
    secrets = {form for text in stored.values() for form in _forms(text)}
    for log in logs(site):
        for secret in secrets:
            assert secret not in log
    assert not any(secret.decode(errors="replace") in said for secret in secrets)


def _forms(text: str) -> list[bytes]:
    raw = base64.b64decode(text)
    return [text.encode(), raw, raw.hex().encode(), re.sub(rb"^b'|'$", b"", repr(raw).encode())]
