"""Faces of tickets over HTTP: the words to agree to, enrolment, how it stands, and deletion.

Each handler turns a checked request into one call of `sales/faces.py`. No answer holds anything of a face: the picture comes in
and never goes out here (staff's looks are in `look_api.py`).
"""

from typing import Annotated, Literal

import msgspec

from resort.errors import WrongState
from resort.face_consent import AgeBand, ConsentWording
from resort.faces import ConsentGiver, FaceOrigin
from sales.faces import FaceAsk, FaceOffice, FaceStanding
from web_console.bodies import Ask
from web_console.callers import ANYONE, ENROLLERS, STAFF_AND_CHANNELS, Caller
from web_console.routes import Call, Route


class EnrolQuery(Ask, frozen=True):
    """Who agreed to which words, for whom, and where the picture was taken."""

    wording: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]  # its version
    given_by: ConsentGiver
    age: AgeBand  # of the holder
    origin: FaceOrigin = "upload"


class ForgetQuery(Ask, frozen=True):
    """Why: the holder withdrew his consent, or somebody else asked for the deletion."""

    reason: Literal["withdrawn", "requested"] = "withdrawn"


class FacesApi:
    """Handlers of faces. A site without faces enrols nobody, and still forgets."""

    def __init__(self, office: FaceOffice | None) -> None:
        self._office = office

    def routes(self) -> list[Route]:
        """This part of the table."""
        face = "/api/tickets/{ticket_id}/face"
        return [
            Route(
                "GET", "/api/face-consent", self.wording, ANYONE,
                "The words that have to be shown and agreed to before a face is enrolled, with their version",
                answer=ConsentWording, problems=(409,),
            ),
            Route(
                "POST", face, self.enrol, ENROLLERS,
                "Enrol the holder's face from a photograph; `advice` says why one is not good enough, and nothing is kept then",
                "enrol faces", query=EnrolQuery, pictures=True, answer=FaceStanding, problems=(409, 429),
            ),
            Route(
                "GET", face, self.standing, STAFF_AND_CHANNELS, "Whether a face is enrolled, and the consents", "read tickets",
                answer=FaceStanding, problems=(409,),
            ),
            Route(
                "DELETE", face, self.forget, ENROLLERS, "Delete the ticket's face, everywhere", "delete faces",
                query=ForgetQuery, answer=FaceStanding, problems=(409,),
            ),
        ]  # fmt: skip

    async def wording(self, call: Call) -> ConsentWording:
        """The current words."""
        return self._faces().wording()

    async def enrol(self, call: Call) -> FaceStanding:
        """How it stands afterwards."""
        query: EnrolQuery = call.query
        ask = FaceAsk(
            ticket_id=call.ids["ticket_id"],
            picture=call.body,
            wording=query.wording,
            given_by=query.given_by,
            age=query.age,
            origin=query.origin,
            by=_sender(call.caller),
            channel=call.caller.channel,
        )
        return await self._faces().enrol(ask)

    async def standing(self, call: Call) -> FaceStanding:
        """How it stands."""
        return await self._faces().standing(call.ids["ticket_id"], call.caller.channel)

    async def forget(self, call: Call) -> FaceStanding:
        """How it stands afterwards."""
        query: ForgetQuery = call.query
        caller = call.caller
        return await self._faces().forget(call.ids["ticket_id"], query.reason, _sender(caller), caller.channel)

    def _faces(self) -> FaceOffice:
        if self._office is None:
            raise WrongState("site", "without faces", "enrol one")
        return self._office


def _sender(caller: Caller) -> str:
    """The name under which it is written down: the account's, or the sales channel's."""
    return caller.user.name if caller.user is not None else f"channel {caller.channel}"
