"""Which actors a site has."""

from pathlib import Path

import msgspec

from actors.inference import InferenceActor, InferenceHosting
from orchestrator.cluster import Cluster, Stores, placements
from resort.site import FacesSite, Site


def stores(folder: Path) -> Stores:
    """Nothing is opened by saying where it is."""
    return Stores("redis://all", "sqlite+aiosqlite://", folder, "site", folder, face_keys=folder / "face_keys.json")


def test_a_site_without_faces_has_no_inference_actor(demo_site: Site, tmp_path: Path) -> None:
    plain = msgspec.structs.replace(demo_site, faces=None)
    assert [place.name for place in placements(plain, stores(tmp_path)) if place.cls is InferenceActor] == []
    assert Cluster(plain, stores(tmp_path)).size == 18


def test_a_site_with_faces_has_an_actor_for_each_shard(demo_site: Site, tmp_path: Path) -> None:
    site = msgspec.structs.replace(demo_site, faces=FacesSite(inference_actors=2))
    pool = [place for place in placements(site, stores(tmp_path)) if place.cls is InferenceActor]
    assert [place.name for place in pool] == ["inference:0", "inference:1"]
    keys = str(tmp_path / "face_keys.json")
    assert [place.arguments for place in pool] == [
        (InferenceHosting(site, shard, "sqlite+aiosqlite://", keys),) for shard in range(2)
    ]
    assert Cluster(site, stores(tmp_path)).size == 20
