"""`snowgate up`: open the site, show where it is, run until told to stop, and write the summary of a timed run."""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import NamedTuple

from orchestrator.measured import Measured, machine
from orchestrator.opening import Opening, OpenSite
from orchestrator.summary import count_duplicates, summarise
from resort.errors import Unavailable
from resort.messages import JournalEvent
from storage.journal_stream import StreamPosition, stream_order

DRAIN_S = 20.0
QUIET_S = 8.0  # longer than any guest may stand before an open arm
PAGE = 1_000


def say(text: str) -> None:
    """One line to the person at the terminal, at once also when it goes to a file."""
    print(text, flush=True)


async def run_up(opening: Opening, for_s: float | None, json_file: Path | None) -> int:
    """Open, run for `for_s` seconds or until a signal, close. Answers the exit code: 0 when what was promised held."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    say("Opening the resort …")
    site = OpenSite(opening, say)
    opening_task = asyncio.create_task(site.open(), name="opening")
    stopping = asyncio.create_task(stop.wait(), name="stop signal")
    try:
        await asyncio.wait({opening_task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not opening_task.done():
            opening_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await opening_task
            return 0
        await opening_task
        before = await _mark(site)
        _welcome(site)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(stopping), for_s)
        say("Closing …")
        return await _conclude(site, before, json_file) if for_s is not None else 0
    finally:
        stopping.cancel()
        await site.close()
        say("Closed.")


def _welcome(site: OpenSite) -> None:
    say(f"The resort is open after {site.opened_in_s:.1f} s. Console: {site.address}")
    if site.first_password is not None:
        say(
            f"Sign in as admin with the password {site.first_password} "
            "(shown this once; change it with `snowgate user password admin`)."
        )
    say("Ctrl-C closes it.")


class Mark(NamedTuple):
    """A point in the journal: the newest `seq` in SQL (or before), the stream's newest id, and how many it ever took."""

    seq: int
    stream_id: str
    appended: int


async def _mark(site: OpenSite) -> Mark:
    """Where the journal stands now. SQL is asked first, so that whatever it holds up to `seq` is not after `stream_id`."""
    seq = await site.journal.last_seq()
    position = await site.stream.position()
    return Mark(seq, position.last_id, position.appended)


async def _conclude(site: OpenSite, before: Mark, json_file: Path | None) -> int:
    guests = await site.pause_guests()
    await site.cluster.until_quiet(QUIET_S)
    alive = await site.cluster.alive()
    end = await site.stream.position()  # what comes later (an alarm that clears) belongs to the next run
    if not await site.cluster.drain_journal(DRAIN_S):
        raise Unavailable("The journal", f"it was not drained within {DRAIN_S:g} s; nothing is lost, start again to go on")
    events, past_stream = await _events_between(site, before, end)
    figures = summarise(events)
    figures |= {
        "stream_events": end.appended - before.appended,
        "sql_events": len(events),
        "past_stream_events": past_stream,
        "duplicates": await site.journal.duplicates() + count_duplicates(events, {}),
        "actors_alive": len(alive),
        "start_s": round(site.opened_in_s, 2),
        **{f"guests_{name}": count for name, count in guests.items()},
    }
    outcome = Measured("up", site.seed, machine(), figures, {}, {})
    if json_file is not None:
        outcome.write(json_file)
    for name, value in figures.items():
        say(f"  {name:32} {value:g}")
    # What the gates did while the ledger was lost came to SQL past its stream, and of that some may be in both.
    whole = figures["stream_events"] == len(events) or past_stream > 0
    kept = figures["duplicates"] == 0 and whole and len(alive) == site.cluster.size
    if not kept:
        print("A promise was broken in this run: see duplicates, stream_events, sql_events and actors_alive.", file=sys.stderr)
    return 0 if kept else 1


async def _events_between(site: OpenSite, mark: Mark, end: StreamPosition) -> tuple[list[JournalEvent], int]:
    """Everything in SQL that came to the stream after the mark, up to the end, or past it; and how many the latter are."""
    events: list[JournalEvent] = []
    past_stream = 0
    seq, first, last = mark.seq, stream_order(mark.stream_id), stream_order(end.last_id)
    while page := await site.journal.events_after(seq, PAGE):
        for stored in page:
            if not stored.stream_id:
                past_stream += 1
                events.append(stored.event)
            elif first < stream_order(stored.stream_id) <= last:
                events.append(stored.event)
        seq = page[-1].seq
    return events, past_stream
