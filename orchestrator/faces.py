"""What a site that looks at faces needs besides its actors: models that are there, and the parts that windows use."""

from pathlib import Path

from actors.feed_client import RayGates
from actors.inference_client import FacesClient
from ml_models.manifest import MANIFEST, load_manifest, problems
from orchestrator.parts import FaceParts
from resort.clock import Clock
from resort.errors import PartMissing
from resort.ids import IdSource
from resort.site import Site
from sales.faces import FaceOffice
from storage.database import Database
from storage.face_keys import FaceKeys
from storage.faces_sql import FaceStore


def check_face_models(site: Site, folder: Path = MANIFEST.parent) -> None:
    """Read and compare the models of a site with faces; takes a tenth of a second. Raises PartMissing, as an actor without
    them could only wait for ever."""
    if site.faces is not None and (wrong := problems(load_manifest(), folder)):
        raise PartMissing("A face model", f"{wrong[0]} - run `make install`, or take `faces` out of the site file")


def face_parts(site: Site, store: FaceStore) -> FaceParts | None:
    """The pool as windows use it, of a site that has it. Ray must have been started."""
    if site.faces is None:
        return None
    client = FacesClient(site.faces)
    return FaceParts(client, client, client.figures, looks=RayGates(site), pictures=store, cutter=client)


def face_store(site: Site, database: Database, key_file: Path, clock: Clock) -> FaceStore:
    """The stored faces; the first key is made for a site that has faces."""
    keys = FaceKeys(key_file)
    if site.faces is not None:
        keys.ensure(clock.now().at)
    return FaceStore(database, keys)


def face_office(
    site: Site, database: Database, store: FaceStore, parts: FaceParts | None, clock: Clock, ids: IdSource
) -> FaceOffice:
    """Enrolment and deletion. A site without faces forgets those that it once enrolled, too."""
    pool, news = (parts.pool, parts.news) if parts is not None else (None, None)
    return FaceOffice(database, store, site, clock, ids, pool, news)
