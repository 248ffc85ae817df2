"""Which guards a drill's control run turns off, and what else a drill changes of a site under test. Never part of a site file.

A guard is a mechanism that the promises rest on. A drill proves something only if the failure shows once its guard is off;
so each can be, by a file that `snowgate up` takes for data folders of drills alone (`orchestrator/drills.py`).
"""

import msgspec


class Guards(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All on, always, except in the control run of a drill."""

    compare_and_set: bool = True  # a grant is stored only on the very state of the ticket that it was decided on
    recovery: bool = True  # a lane that starts asks what it left open, and accounts for every turn since
    pulse_once: bool = True  # a pulse that was not confirmed is never sent again
    spool: bool = True  # a lane keeps its events on its own disk until SQL has them
    resume: bool = True  # the journal goes on after what SQL has, not with what comes next
    fence: bool = True  # nobody decides on a ledger that may have lost its memory, or that a newer term has taken over
    handover: bool = True  # nobody takes over tickets before everybody who decided on them has told what is open
    one_unit: bool = True  # places and the hold that says for whom are taken in one unit of work
    steady_clock: bool = True  # time limits go by a clock that nobody sets


class DrillSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a drill changes of the site that it runs."""

    guards: Guards = Guards()
    redis_urls: dict[str, str] = {}  # by gate id, where a gate's way to the ledger is one of its own
    clock_file: str = ""  # every process adds the milliseconds in it to its wall clock, see `resort.clock.rehearse_clock`
