"""The people of the `open` bench who let the resort know their face: who they are and what they show.

Eight people out of the packages of `benchmarks/face_photographs.py`, enrolled anew for every lane, as a lane tells of nobody
twice within ten seconds; each lane searches its own eight among random faces. A guest is a photograph held still, much like the
one that was enrolled: this measures how long a face takes, not how well it is known.
"""

import io
from collections.abc import Sequence
from datetime import timedelta

import msgspec
from PIL import Image

from benchmarks.face_photographs import photographs
from benchmarks.gate_stand import GATE, SITE, Stand, day_ticket
from ml_models.face_detector import THOROUGH_SIDES, FaceDetector
from ml_models.face_embedder import packed
from ml_models.face_reader import FaceReader
from ml_models.pictures import Picture, open_picture
from ml_models.portrait import portrait
from resort.access.codes import issue_code
from resort.access.entitlement import TicketRecord, Usage
from resort.face_quality import PASSAGE
from resort.faces import StoredFace
from resort.ids import GateId, SeededIds
from resort.site import FacesSite, GateSite, Site, TariffSite
from resort.texts import Text
from sim.face_scene import FACE_PX, FaceScene
from storage.entitlements_redis import RedisEntitlements

PORTRAITS = ("one_1", "two", "three")
GROUP = "six"
HOLDERS = 10_000  # who could be meant by a face alone, in all
SHARDS = 2
QUALITY = 90


class FilmedPerson(msgspec.Struct, frozen=True):
    """Somebody as a lane's camera sees them (JPEG), and the vector by which they are known."""

    photograph: bytes
    model_id: str
    vector: bytes

    def __repr__(self) -> str:
        return f"FilmedPerson({self.model_id})"


class FilmedGuest(msgspec.Struct, frozen=True):
    """What a guest of the bench holds up: a code, a face beside it, or a face alone."""

    code: str | None = None
    photograph: bytes | None = None  # JPEG

    def __repr__(self) -> str:
        return f"FilmedGuest(code {self.code is not None}, face {self.photograph is not None})"


class StampedFace(FaceScene):
    """A face before the camera, of which no two frames are the same to whoever keeps readings by a frame's digest."""

    def frame(self, number: int) -> bytes:
        """What follows a JPEG's end is not looked at."""
        return super().frame(number) + number.to_bytes(8, "big")


def faces_site(lanes: Sequence[str]) -> Site:
    """A site whose every lane is a gate of its own, as far as galleries are concerned."""
    gates = [GateSite(GateId(lane), Text("门", lane), []) for lane in (GATE, *lanes)]
    return Site(Text("台", "Bench"), "UTC", gates, [], TariffSite("bench"), faces=FacesSite(inference_actors=SHARDS))


def people() -> list[FilmedPerson]:
    """Everybody whom a lane can compare: one of the group looks aside. Raises PartMissing."""
    pictures, reader = photographs(), FaceReader()
    group = pictures[GROUP]
    shown = [_shown(pictures[name]) for name in PORTRAITS]
    shown += [_shown(open_picture(portrait(group, face))) for face in FaceDetector().detect(group, THOROUGH_SIDES)]
    found = []
    for photograph in shown:
        reading = reader.read(open_picture(FaceScene(photograph).frame(0)))
        if reading.vector is not None and not reading.faults(PASSAGE):
            found.append(FilmedPerson(photograph, reading.model_id, packed(reading.vector)))
    return found


async def enrol(
    stand: Stand, seed: int, lane: str, album: Sequence[FilmedPerson]
) -> tuple[list[FilmedGuest], list[StoredFace]]:
    """A ticket for each person, good at every lane again and again, and the face of each, to be found at `lane` only."""
    today = stand.clock.now().at.date()
    allowed = msgspec.structs.replace(day_ticket(today, again=True), media=("printed", "face"))
    ids = SeededIds(f"bench faces {seed} {lane}")
    guests, faces = [], []
    for person in album:
        ticket_id = ids.ticket_id()
        await RedisEntitlements(stand.redis, SITE, stand.clock).publish([(ticket_id, TicketRecord(1, allowed, Usage()))])
        guests.append(FilmedGuest(issue_code(ticket_id, stand.keys), person.photograph))
        faces.append(
            StoredFace(
                ticket_id=ticket_id,
                model_id=person.model_id,
                vector=person.vector,
                valid_on=today - timedelta(days=1),
                valid_until=today + timedelta(days=1),  # a run may go over midnight
                places=(lane,),
            )
        )
    return guests, faces


def _shown(picture: Picture) -> bytes:
    """As large as a face before a lane's camera."""
    image = Image.fromarray(picture)
    scale = FACE_PX / max(image.size)
    content = io.BytesIO()
    image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS).save(
        content, "JPEG", quality=QUALITY
    )
    return content.getvalue()
