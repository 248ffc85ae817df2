"""What an open resort hands to a window (the console, later the shop): its site, its use cases and its live feed.

Windows are found by the entry-point group `snowgate.windows`, because rooms above must not be imported from here.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.people import PeopleDesk
from resort.clock import Clock
from resort.crowd import CrowdControl
from resort.faces import FaceNews, FacePool
from resort.figures import FaceFigures
from resort.ids import IdSource
from resort.lane_control import GateControl
from resort.lane_looks import FaceCutter, FacePictures, LookControl
from resort.ports import AlarmControl, FeedSource
from resort.site import Site
from sales.faces import FaceOffice
from sales.office import TicketOffice
from sales.tickets import TicketDesk
from storage.accounts import Accounts
from storage.journal_sql import JournalStore
from storage.site_meta import SiteMeta


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where alarms are sent. Empty sets: all of them."""

    url: str
    secret: bytes = field(repr=False)
    kinds: frozenset[str] = frozenset()
    severities: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class WebhookParts:
    """The site's webhooks, and what their senders read and keep."""

    hooks: tuple[Webhook, ...]
    journal: JournalStore
    meta: SiteMeta


@dataclass(frozen=True, slots=True)
class FaceParts:
    """What works on faces: who reads and knows them, whom to tell of changes, and what it counts (None: does not answer)."""

    pool: FacePool
    news: FaceNews
    figures: Callable[[], Awaitable[Sequence[FaceFigures | None]]]
    looks: LookControl | None = None  # what staff say of unsure faces
    pictures: FacePictures | None = None  # those that were enrolled
    cutter: FaceCutter | None = None  # of lanes' frames


@dataclass(frozen=True, slots=True)
class OpenResort:
    """Everything a window may use. All parts are ready when the window is started."""

    site: Site
    clock: Clock
    ids: IdSource
    office: TicketOffice
    accounts: Accounts
    feed: FeedSource
    gates: GateControl
    desk: TicketDesk
    alarms: AlarmControl
    webhooks: WebhookParts | None = None  # None: the site has none
    faces: FaceParts | None = None  # likewise
    face_office: FaceOffice | None = None  # enrols and forgets; forgets only where `faces` is None
    people: PeopleDesk | None = None  # its people sensors; None: nobody opened them
    crowd: CrowdControl | None = None  # what steers lanes and signs


class Window(Protocol):
    """Something people or programs use, served until stopped."""

    async def start(self, resort: OpenResort) -> str:
        """Open and return the address people type. Raises Unavailable when the address is taken."""
        ...

    async def stop(self) -> None:
        """Close every connection within 3 s; idempotent."""
        ...
