"""Whether what a site file says of speakers and lamps makes sense, and how loud it is at a given time. Pure."""

from datetime import datetime, time
from urllib.parse import urlsplit

from resort.errors import InvalidConfig
from resort.site import LaneSite, LoudnessSite, Site, SpeakerSite

FULL = 100  # percent
COILS = range(0x10000)


def percent_at(site: Site, at: datetime) -> int:
    """How loud speakers are at `at` (aware), in percent; by the first entry of `loudness` that holds at the site."""
    clock = at.astimezone(site.zone).time()
    return next((entry.percent for entry in site.loudness if _holds(entry, clock)), FULL)


def _holds(entry: LoudnessSite, clock: time) -> bool:
    over_midnight = entry.ends <= entry.begins
    after, before = clock >= entry.begins, clock < entry.ends
    return (after or before) if over_midnight else (after and before)


def check_sounds(site: Site) -> None:
    """Raises InvalidConfig naming the first place that is wrong."""
    for entry in site.loudness:
        if not 0 <= entry.percent <= FULL:
            raise InvalidConfig("loudness", f"{entry.percent} is not 0 to {FULL} percent")
    buses = {lane.turnstile.bus for _, lane in site.lanes()}
    for _, lane in site.lanes():
        check_speaker(f"lane {lane.id}", lane.speaker)
        _check_lamp(lane, buses)


def check_speaker(place: str, speaker: SpeakerSite) -> None:
    """Raises InvalidConfig naming `place`."""
    if not speaker.languages or len(set(speaker.languages)) != len(speaker.languages):
        raise InvalidConfig(place, "a speaker says each result in one language at least, and in none twice")
    if speaker.clips and not speaker.clips.startswith("/"):
        raise InvalidConfig(place, "speaker.clips must be the full path of a folder, from / on")
    if speaker.address is None:
        return
    parts = urlsplit(speaker.address)
    if parts.scheme == "file" and not parts.netloc and len(parts.path) > 1:
        return
    if parts.scheme != "alsa" or not parts.netloc or parts.path or parts.netloc.startswith("-"):
        raise InvalidConfig(place, f"{speaker.address} is not alsa://default, alsa://DEVICE, file:///path or null")


def _check_lamp(lane: LaneSite, turnstile_buses: set[str]) -> None:
    lamp, place = lane.lamp, f"lane {lane.id}"
    if lamp is None:
        return
    if lamp.bus in turnstile_buses:
        raise InvalidConfig(place, "its lamp must not be on a turnstile's bus: blinking would delay pulses")
    if not 0 <= lamp.unit <= 255:
        raise InvalidConfig(place, "a Modbus unit is 0 to 255")
    coils = (lamp.red, lamp.green, lamp.amber)
    if len(set(coils)) != len(coils) or any(coil not in COILS for coil in coils):
        raise InvalidConfig(place, "its lamp needs three coils of their own, 0 to 65535")
