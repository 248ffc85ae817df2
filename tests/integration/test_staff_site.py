"""Staff beside a running resort of two lanes: keys rotated while guests pass and found in no log, tickets changed from a
terminal, orders at lanes over HTTP. Everything is told by the journal, read from outside.
"""

import base64
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import yaml

from tests.conftest import DEMO
from tests.running_site import RunningSite

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(420)]

PASSAGES = "SELECT count(*) FROM journal WHERE kind = 'PassageConfirmed' AND seq > ?"
FORGED = "SELECT count(*) FROM journal WHERE kind = 'ScanRefused' AND body LIKE '%forged_code%' AND seq > ?"
NEWEST = "SELECT body FROM journal WHERE kind = ? AND body LIKE ? ORDER BY seq DESC LIMIT 1"
PATIENCE_S = 90.0


@pytest.fixture(scope="module")
def site_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo resort with one gate and two lanes."""
    site = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    site["gates"] = site["gates"][:1]
    site["gates"][0]["lanes"] = site["gates"][0]["lanes"][:2]
    site.get("admission", {}).pop("travel", None)
    site["runtime"]["pricing_shards"] = 1
    path = tmp_path_factory.mktemp("small") / "small.yaml"
    path.write_text(yaml.safe_dump(site, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, site_file: Path) -> Iterator[RunningSite]:
    site = RunningSite(tmp_path_factory.mktemp("staff") / "data", "--site", str(site_file))
    try:
        yield site.wait_open()
    finally:
        site.kill_all()


def command(site: RunningSite, site_file: Path, *arguments: str) -> str:
    """What a `snowgate` command beside the running site says."""
    where = () if arguments[0] == "keys" else ("--site", str(site_file))
    full = [sys.executable, "-m", "orchestrator", *arguments, "--data", str(site.data), *where]
    done = subprocess.run(full, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def post(site: RunningSite, path: str, body: object, key: str) -> Any:
    """The JSON answer to an order of staff."""
    headers = {"Cookie": site.cookie, "Content-Type": "application/json", "Idempotency-Key": key}
    request = urllib.request.Request(f"{site.address}{path}", msgspec.json.encode(body), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return msgspec.json.decode(answer.read())


def newest(site: RunningSite, kind: str, holding: str) -> Any:
    """The newest event of this kind with this text in it, once the journal has one."""
    body = site.until(lambda: site.sql(NEWEST, kind, f"%{holding}%"), PATIENCE_S)[0][0]
    return msgspec.json.decode(body)


def written(site: RunningSite) -> Iterator[bytes]:
    """Everything that the site's processes have written, but for the key file itself."""
    yield site.output().encode()
    folders = {site.data}
    for process in site.family():
        try:
            folders |= {Path(word.partition("=")[2]) for word in process.cmdline() if word.startswith("--session-dir=")}
        except psutil.Error:
            continue
    assert len(folders) > 1  # Ray's logs are among them
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and path.name != "site_keys.json":
                yield path.read_bytes()


def forms(text: str) -> list[bytes]:
    """A key as it might be written: base64, bytes, hexadecimal, and as Python shows bytes."""
    raw = base64.b64decode(text)
    return [text.encode(), raw, raw.hex().encode(), repr(raw)[2:-1].encode()]


def test_keys_rotate_while_guests_pass_and_no_key_is_in_any_log(site: RunningSite, site_file: Path) -> None:
    site.until(lambda: site.sql(PASSAGES, 0)[0][0] >= 3, PATIENCE_S)
    said = command(site, site_file, "keys", "rotate")
    assert "Key 2 signs" in said
    (seq,) = site.sql("SELECT max(seq) FROM journal")[0]
    site.until(lambda: site.sql(PASSAGES, seq)[0][0] >= 6, PATIENCE_S)  # on codes of the old key and of the new one
    assert site.sql(FORGED, seq)[0][0] == 0
    said += command(site, site_file, "keys", "list")
    stored = msgspec.json.decode((site.data / "site_keys.json").read_bytes())["keys"]
    assert sorted(stored) == ["1", "2"]
    secrets = [form for text in stored.values() for form in forms(text)]
    for content in (*written(site), said.encode()):
        assert not any(secret in content for secret in secrets)


def test_a_ticket_is_blocked_and_explained_from_a_terminal_beside_the_site(site: RunningSite, site_file: Path) -> None:
    ((ticket,),) = site.sql("SELECT ticket_id FROM tickets WHERE status = 'active' LIMIT 1")
    said = command(site, site_file, "ticket", "block", ticket, "--note", "found on the floor")
    assert said.strip() == "The ticket is blocked."  # told: the ledger was reached
    changed = newest(site, "TicketChanged", "found on the floor")
    assert (changed["ticket_id"], changed["status"]) == (ticket, "blocked")
    assert "found on the floor" in command(site, site_file, "ticket", "show", ticket)


def test_staff_order_at_a_lane_over_http_and_leave_their_names(site: RunningSite) -> None:
    assert site.password is not None
    site.sign_in("admin", site.password)
    outcome = post(site, "/api/lanes/village-1/test-scan", {"code": "rubbish"}, "k0")["outcome"]["outcome"]
    assert outcome in ("malformed_code", "lane_busy")
    assert newest(site, "StaffActed", "test_scan")["by"] == "admin"
    keys = iter(range(1_000))

    def admitted() -> str:
        key = f"k{next(keys)}"
        return key if post(site, "/api/lanes/village-1/admit", {"note": "lost it"}, key)["outcome"] == "ok" else ""

    key = site.until(admitted, PATIENCE_S)  # between two guests
    again = post(site, "/api/lanes/village-1/admit", {"note": "lost it"}, key)
    grant = newest(site, "GrantIssued", "lost it")
    assert (grant["by"], again["grant_id"]) == ("admin", grant["event_id"])
    assert post(site, "/api/lanes/village-2/policy", {"admits": ["fast"], "note": "queue"}, "k")["admits"] == ["fast"]
    ordered = newest(site, "StaffActed", '"policy"')
    assert (ordered["by"], ordered["note"], ordered["outcome"], ordered["lane_id"]) == ("admin", "queue", "fast", "village-2")
