"""Reading the site file, and where a run keeps its data. The only place that reads the environment."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import yaml

from orchestrator.parts import Webhook
from resort.alarms import KINDS
from resort.errors import InvalidConfig
from resort.site import LaneSite, Site, WebhookSite
from resort.site_checks import check_site

REDIS_URL = "SNOWGATE_REDIS_URL"
DATABASE_URL = "SNOWGATE_DATABASE_URL"
WEBHOOK_SECRET_BYTES = 16
PLAYED = ("simulated", "simulated-scanner")  # cameras and scanners that the rehearsal stage plays


def load_site(path: Path) -> Site:
    """The site described in `path`. Raises InvalidConfig in one sentence that names the place."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidConfig("site file", f"there is no file {path}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = str(error).replace("\n", " ")
        raise InvalidConfig("site file", f"{path} is not YAML: {problem}") from None
    try:
        return check_site(msgspec.convert(tree, Site))
    except msgspec.ValidationError as error:
        raise InvalidConfig(f"site file {path.name}", str(error)) from None


def with_addresses(site: Site, buses: dict[str, str], cameras: dict[str, str]) -> Site:
    """The site with every `simulated` device where the rehearsal stage plays it (`buses` by gate, `cameras` by lane)."""

    def place(gate_id: str, lane: LaneSite) -> LaneSite:
        turnstile, camera = lane.turnstile, lane.camera
        if turnstile.bus == "simulated":
            turnstile = msgspec.structs.replace(turnstile, bus=buses[gate_id])
        if camera.url in PLAYED:
            camera = msgspec.structs.replace(camera, url=cameras[lane.id])
        return msgspec.structs.replace(lane, turnstile=turnstile, camera=camera)

    gates = [msgspec.structs.replace(gate, lanes=[place(gate.id, lane) for lane in gate.lanes]) for gate in site.gates]
    return msgspec.structs.replace(site, gates=gates)


def needs_stage(site: Site) -> bool:
    """Whether any device of the site is simulated."""
    return any(lane.turnstile.bus == "simulated" or lane.camera.url in PLAYED for _, lane in site.lanes())


def webhook(site: WebhookSite) -> Webhook:
    """A webhook with its secret. Raises InvalidConfig when the secret cannot be had or is too short, or a kind is unknown."""
    for kind in site.kinds:
        if kind not in KINDS:
            raise InvalidConfig("webhooks.kinds", f"{kind} is not one of {', '.join(KINDS)}")
    if site.secret_file:
        try:
            secret = Path(site.secret_file).read_bytes().strip()
        except OSError as error:
            raise InvalidConfig("webhooks.secret_file", f"{site.secret_file} cannot be read: {error.strerror}") from None
    else:
        secret = os.environ.get(site.secret_env, "").encode()
    if len(secret) < WEBHOOK_SECRET_BYTES:
        place = site.secret_file or f"the environment variable {site.secret_env}"
        raise InvalidConfig("webhooks", f"{place} must hold a secret of {WEBHOOK_SECRET_BYTES} bytes at least")
    return Webhook(site.url, secret, frozenset(site.kinds), frozenset(site.severities))


@dataclass(frozen=True, slots=True)
class Places:
    """Folders and addresses of one run. `runtime` is short, because unix socket paths are limited to about 100 bytes."""

    data: Path
    runtime: Path
    redis_url: str | None
    database_url: str

    @property
    def key_file(self) -> Path:
        """The site's signing keys."""
        return self.data / "site_keys.json"

    @property
    def valkey_socket(self) -> Path:
        """Where our own Valkey listens while the site is open."""
        return self.runtime / "valkey.sock"

    @property
    def spools(self) -> Path:
        """Where each lane process keeps its spool."""
        return self.data / "spool"

    @property
    def phrases(self) -> Path:
        """The spoken phrases, made once."""
        return self.data / "phrases"

    @property
    def face_keys(self) -> Path:
        """The keys of stored faces."""
        return self.data / "face_keys.json"

    @property
    def models(self) -> Path:
        """Models trained on the resort's own journal."""
        return self.data / "models"

    @property
    def channel_key_file(self) -> Path:
        """The sales channel key of the rehearsal's guests."""
        return self.data / "rehearsal_channel_key"

    @property
    def run_file(self) -> Path:
        """Process ids of the running site, so that the next start can end what a killed one left behind."""
        return self.data / "run.json"


def places(data: Path) -> Places:
    """The places of a run on this data folder, which is made if needed. Raises InvalidConfig when it cannot be."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InvalidConfig("data folder", f"{data} cannot be made: {error.strerror}") from None
    full = data.resolve()
    mark = hashlib.sha256(f"{os.getuid()}:{full}".encode()).hexdigest()[:10]
    runtime = Path(tempfile.gettempdir()) / f"snowgate-{mark}"
    runtime.mkdir(mode=0o700, exist_ok=True)
    if runtime.stat().st_uid != os.getuid():
        raise InvalidConfig("runtime folder", f"{runtime} belongs to somebody else")
    database = os.environ.get(DATABASE_URL) or f"sqlite+aiosqlite:///{full / 'snowgate.db'}"
    return Places(full, runtime, os.environ.get(REDIS_URL) or None, database)
