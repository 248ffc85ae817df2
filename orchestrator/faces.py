"""What a site that looks at faces needs besides its actors: models that are there, and the parts that windows use."""

from pathlib import Path

from actors.feed_client import RayGates
from actors.inference_client import FacesClient
from ml_models.manifest import MANIFEST, load_manifest, problems
from orchestrator.parts import FaceParts
from resort.errors import PartMissing
from resort.site import Site


def check_face_models(site: Site, folder: Path = MANIFEST.parent) -> None:
    """Read and compare the models of a site with faces; takes a tenth of a second. Raises PartMissing, as an actor without
    them could only wait for ever."""
    if site.faces is not None and (wrong := problems(load_manifest(), folder)):
        raise PartMissing("A face model", f"{wrong[0]} - run `make install`, or take `faces` out of the site file")


def face_parts(site: Site) -> FaceParts | None:
    """The pool as windows use it, of a site that has it. Ray must have been started."""
    if site.faces is None:
        return None
    client = FacesClient(site.faces)
    return FaceParts(client, client, client.figures, looks=RayGates(site))
