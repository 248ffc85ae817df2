"""`ray_cluster.yaml` is what Ray 2.60 takes: its own preparation, its own schema, its own command line. Nothing is started."""

import copy
import re
import shlex
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from jsonschema import ValidationError  # type: ignore[import-untyped]
from ray.autoscaler._private.local.config import LOCAL_CLUSTER_NODE_TYPE
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import start

FILE = Path(__file__).parents[2] / "ray_cluster.yaml"
DOCUMENTATION_RANGE = ip_network("192.0.2.0/24")
START_COMMANDS = ("head_start_ray_commands", "worker_start_ray_commands")
ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?!/)")


@pytest.fixture
def cluster() -> dict[str, Any]:
    """The file as `ray up` reads it."""
    tree: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return tree


def ray_start_options(command: str) -> list[str]:
    """What follows `ray start` in a shell command."""
    words = shlex.split(command)
    return words[words.index("start") + 1 :]


def parsed(options: list[str]) -> dict[str, Any]:
    """The options as Ray's own command reads them. Raises click.UsageError."""
    return start.make_context("ray start", list(options)).params


def test_ray_takes_the_file(cluster: dict[str, Any]) -> None:
    prepared = prepare_config(cluster)
    validate_config(prepared)
    workers = len(cluster["provider"]["worker_ips"])
    node = prepared["available_node_types"][LOCAL_CLUSTER_NODE_TYPE]
    assert (node["min_workers"], node["max_workers"], prepared["max_workers"]) == (workers, workers, workers)
    assert len(set(cluster["provider"]["worker_ips"])) == workers
    assert cluster["provider"]["head_ip"] not in cluster["provider"]["worker_ips"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("max_worker", 3), ("auth", {"password": "x"}), ("idle_timeout_minutes", "soon"), ("cluster_name", None)],
)
def test_control_a_spoilt_file_is_refused(cluster: dict[str, Any], key: str, value: object) -> None:
    spoilt = copy.deepcopy(cluster)
    spoilt[key] = value
    with pytest.raises(ValidationError):
        validate_config(prepare_config(spoilt))


def test_control_a_cluster_without_a_head_is_refused(cluster: dict[str, Any]) -> None:
    del cluster["provider"]["head_ip"]
    with pytest.raises(click.ClickException):
        prepare_config(cluster)


def test_ray_start_knows_every_option(cluster: dict[str, Any]) -> None:
    head = parsed(ray_start_options(cluster["head_start_ray_commands"][-1]))
    worker = parsed(ray_start_options(cluster["worker_start_ray_commands"][-1]))
    assert head["head"]
    assert head["node_ip_address"] == cluster["provider"]["head_ip"]
    assert not head["include_dashboard"]
    assert worker["address"] == f"$RAY_HEAD_IP:{head['port']}"
    assert head["port"] != 6379, "that port belongs to Redis"


def test_control_an_unknown_option_is_refused(cluster: dict[str, Any]) -> None:
    with pytest.raises(click.UsageError):
        parsed([*ray_start_options(cluster["head_start_ray_commands"][-1]), "--listen-everywhere"])


def test_every_ray_process_is_started_with_the_machines_environment(cluster: dict[str, Any]) -> None:
    for place in START_COMMANDS:
        assert "/etc/snowgate/ray.env" in cluster[place][-1].split("ray start")[0], place


def test_addresses_are_placeholders_and_no_secret_is_in_the_file() -> None:
    text = FILE.read_text(encoding="utf-8")
    addresses = ADDRESS.findall(text)
    assert addresses
    assert [found for found in addresses if ip_address(found) not in DOCUMENTATION_RANGE] == []
    assert "localhost" not in text
    assert re.search(r"RAY_AUTH_TOKEN=|[0-9a-f]{32}|PRIVATE KEY-----", text) is None
