"""The crowd brain, the composition root and the `snowgate` command."""

import os

# Ray reads these when it is first imported, which is why they stand here, above every module that imports it:
# every listener on loopback, token authentication, no phoning home, and a killed worker noticed in a twentieth of a second.
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_core_worker_internal_heartbeat_ms", "50")
os.environ.setdefault("RAY_worker_niceness", "0")  # lanes are not background work: Ray would run them at nice 15
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # asking for an actor must never start a cluster by itself
