"""A lane that people leave by: the code is noted, and nothing is decided. Pure.

An exit is always open. Whatever is held up, whatever is away, the lamp says go; a genuine code tells that the ticket's holder
left the zone, and that is all that can fail.
"""

from resort.access.codes import CodeReading, SiteKeys, examine_code
from resort.access.lane_journal import LaneJournal
from resort.access.lane_lamp import LaneLamp
from resort.access.lane_messages import AmendTicket, Command
from resort.access.lane_settings import LaneSettings
from resort.clock import Moment
from resort.ids import IdSource, ScanId
from resort.ports import Sighting


class ExitDesk:
    """Takes what is held up at an exit lane."""

    def __init__(self, settings: LaneSettings, keys: SiteKeys, ids: IdSource, journal: LaneJournal, lamp: LaneLamp) -> None:
        self._zone = settings.gate.zone
        self._keys = keys
        self._ids = ids
        self._journal = journal
        self._lamp = lamp

    def use_keys(self, keys: SiteKeys) -> None:
        """Verify codes with these keys from now on."""
        self._keys = keys

    def pass_by(self, sighting: Sighting, now: Moment) -> list[Command]:
        """Somebody held something up and leaves."""
        commands = self._lamp.show("go", now, briefly=True)
        reading = None if sighting.text is None else examine_code(sighting.text, self._keys, now.at)
        if self._zone and isinstance(reading, CodeReading) and not reading.stale:
            scan_id = ScanId(self._ids.new("scan"))
            commands.append(AmendTicket(self._journal.exited(scan_id, reading.ticket_id, self._zone, now)))
        return commands
