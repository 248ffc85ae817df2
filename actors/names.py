"""Names of the actors, made and read in one place."""

NAMESPACE = "snowgate"
JOURNAL = "journal"
FEED = "feed"
ORCHESTRATOR = "orchestrator"


def gate_name(gate_id: str) -> str:
    """The actor of one gate."""
    return f"gate:{gate_id}"


def lane_name(first_lane_id: str) -> str:
    """The actor that hosts this lane, and perhaps the next ones of its gate."""
    return f"lane:{first_lane_id}"


def pricing_name(shard: int) -> str:
    """The actor of one pricing shard."""
    return f"pricing:{shard}"


def inference_name(shard: int) -> str:
    """The actor that reads faces and holds one shard of their gallery."""
    return f"inference:{shard}"
