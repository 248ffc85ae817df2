"""Stored faces in memory: `FaceChanges` for rehearsals and tests, in the order that the real store promises."""

from collections.abc import Sequence

from resort.errors import DatabaseUnavailable
from resort.faces import FaceChange, StoredFace
from resort.ids import TicketId


class MemoryFaces:
    """What was enrolled and forgotten, with a version for each step. `away` makes every reading fail."""

    def __init__(self) -> None:
        self.away = False
        self.readings = 0
        self._last: dict[TicketId, FaceChange] = {}  # by ticket, oldest first
        self._version = 0

    def enrol(self, face: StoredFace) -> None:
        """Store a face, in place of that ticket's former one."""
        self._step(face.ticket_id, face)

    def forget(self, ticket_id: TicketId) -> None:
        """Nothing but the step remains."""
        self._step(ticket_id, None)

    async def after(self, version: int, limit: int) -> Sequence[FaceChange]:
        """See the port `FaceChanges`."""
        self.readings += 1
        if self.away:
            raise DatabaseUnavailable("The store of faces", "it is away")
        changes = [change for change in self._last.values() if change.version > version]
        return changes[:limit]

    def _step(self, ticket_id: TicketId, face: StoredFace | None) -> None:
        self._version += 1
        self._last.pop(ticket_id, None)
        self._last[ticket_id] = FaceChange(self._version, ticket_id, face)
