"""The site: gates, lanes, devices, limits and products, read once from YAML into frozen structs that refuse unknown keys.

Reading files is the caller's job (`orchestrator/settings.py`); this file only says what a site is. What types alone cannot
check is in `resort/site_checks.py`. Units are in the names.
"""

from datetime import date, time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec

from resort.access.spoken import SpokenLanguage
from resort.crowd import CrowdSite
from resort.face_consent import WORDING, ConsentWording
from resort.face_rules import OneToMany, OneToOne
from resort.heights import HeightLimits
from resort.ids import GateId, LaneId
from resort.octo.terms import PartnerSite, SupplierSite
from resort.slots import SlotsSite
from resort.texts import Text

LaneClass = Literal["standard", "fast", "vip"]
Direction = Literal["entry", "exit"]
Passback = Literal["off", "soft", "hard"]
Medium = Literal["printed", "phone", "card", "face"]
Attention = Literal["photo", "height", "age_proof", "student_card"]  # what staff should look at when the holder passes
DayKind = Literal["weekday", "weekend", "holiday"]
FaceUse = Literal["off", "verify", "identify"]  # nothing · beside a ticket that was shown (1:1) · also without one (1:N)
FaceAwayPolicy = Literal["admit", "look"]
Severity = Literal["critical", "warning", "info"]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every settings struct: unknown keys are an error, never ignored."""


class TurnstileSite(Strict, frozen=True):
    """Where a lane's turnstile is. `bus` is `tcp://host:port`, or `simulated` when the rehearsal stage plays the steel."""

    bus: str
    unit: int  # Modbus unit id behind that bus, 0-255
    profile: str = "pulse_coil"  # a file in devices/profiles


class ScannerLine(Strict, frozen=True):
    """How a hardware scanner frames a code. A line without the prefix or suffix is noise and no code."""

    prefix: str = ""  # sent before each code, such as the AIM identifier "]Q3"
    suffix: str = ""  # sent after each code, before the terminator
    terminator: Literal["any", "CR", "LF", "CRLF"] = "any"  # any: CR, LF and both end a line


class UidLine(Strict, frozen=True):
    """How an NFC or RFID reader writes a medium's UID in its lines. What it means is one text, `nfc:` and lower-case hex."""

    digits: Literal["hex", "decimal"] = "hex"  # colons, dashes and spaces between hex digits do not count
    reversed: bool = False  # the reader sends the last byte first
    bytes: tuple[int, ...] = (4, 7, 10)  # how long UIDs may be; a decimal one has the first of these lengths
    pattern: str = ""  # a regular expression that the whole line matches; its first group is the UID. None: all of the line


class CameraSite(Strict, frozen=True):
    """What reads codes at a lane, by its address (docs/devices.md): a camera by its MJPEG URL, `v4l2:///dev/video0` or
    `folder:///path`; a hardware scanner or NFC reader by `tcp://host:port` or `serial:///dev/ttyUSB0`.

    `simulated` and `simulated-scanner`: the rehearsal stage plays the one or the other.
    """

    url: str
    line: ScannerLine = ScannerLine()  # of a scanner only
    uid: UidLine | None = None  # its lines are UIDs of cards


class SpeakerSite(Strict, frozen=True):
    """What a guest hears at a lane. `address`: `alsa://DEVICE` (`alsa://default`), `file:///path` (nothing sounds; what would
    be played is noted in that file), or null: silence.
    """

    address: str | None = None
    languages: tuple[SpokenLanguage, ...] = ("cmn",)  # said one after the other, in this order
    clips: str = ""  # a folder of own recordings, with a manifest.yaml; its full path


class LampSite(Strict, frozen=True):
    """A lamp of three colours at a lane, besides the turnstile's own: a relay board with a coil for each colour."""

    bus: str  # tcp://host:port, not the one that a turnstile is on
    unit: int
    red: int  # addresses of coils, counted from 0
    green: int
    amber: int


class LoudnessSite(Strict, frozen=True):
    """How loud speakers are from `begins` to just before `ends`, local; `ends` at or before `begins`: past midnight."""

    begins: time
    ends: time
    percent: int  # 0: silent, 100: as recorded


class LaneSite(Strict, frozen=True):
    """One lane."""

    id: LaneId
    name: Text
    lane_class: LaneClass
    turnstile: TurnstileSite
    camera: CameraSite
    direction: Direction = "entry"  # at an exit a code is only noted: its arm turns freely whatever is decided
    reversible: bool = False  # an entry that can be ordered to lead out; its turnstile profile needs `commands.direction`
    speaker: SpeakerSite = SpeakerSite()
    lamp: LampSite | None = None
    faces: FaceUse = "off"  # needs `faces` of the site, and a camera
    height: str = (
        ""  # a height sensor that sends lines, tcp://host:port; staff see its band where a ticket's attention is height
    )


class GateSite(Strict, frozen=True):
    """One gate: the lanes at one lift entry."""

    id: GateId
    name: Text
    lanes: list[LaneSite]
    zone: str = ""  # the zone it leads into (an id of `zones`)
    lift: str = ""  # the lift it belongs to; passes of one ticket at one lift have a least interval
    leaving: str = ""  # a people sensor whose `waiting` are those who want to leave by it; reversible lanes go by it
    hours: "HoursSite | None" = None  # when it is open to guests; only told, by the public status


class ZoneSite(Strict, frozen=True):
    """A part of the resort that people go into and out of.

    `passback`: `hard` refuses a ticket whose holder is still inside, `soft` admits it and raises an alarm, `off` ignores it.
    """

    id: str
    name: Text
    passback: Passback = "off"


class TravelSite(Strict, frozen=True):
    """The least time in which anybody gets from one gate to another."""

    start: GateId
    end: GateId
    min_s: int


class AdmissionSite(Strict, frozen=True):
    """Site-wide numbers of the admission rules."""

    min_interval_s: int = 0  # between two passes of one ticket at one lift; 0: none
    travel: list[TravelSite] = []  # pairs that are not listed have no least time
    companion_s: int = 600  # how long after the one he is bound to a companion may pass
    day_begins: time = time(0)  # local; night sessions past midnight belong to the day before until then


class OfflineSite(Strict, frozen=True):
    """What gates do when the centre is away."""

    cut_off: Literal["refuse", "admit"] = "refuse"  # a gate that reaches neither the ledger nor the other gates
    spool_mb: int = 64  # room of one lane process's spool; when it is full, nobody is granted entry


class LaneLimits(Strict, frozen=True):
    """Time limits of a lane; all milliseconds."""

    passage_timeout_ms: int = 6_000  # after this, and only once the arm is locked again, an unused grant is released
    repeat_code_ms: int = 2_500  # the same code held up again within this is not a new scan
    unreadable_after_ms: int = 1_800  # something is held up but nothing can be read for this long
    poll_idle_ms: int = 120  # status reads while nobody is admitted; plus a time-out: how late a silent turnstile is noticed
    clearance_ms: int = 10_000  # a reversible lane lets nobody new in for so long before its arm is turned
    poll_active_ms: int = 40  # and while a grant waits for its rotation
    inbox_size: int = 16  # scans waiting at one lane before it answers "busy"
    conflict_tries: int = 5  # decide again at most this often when the ticket changed meanwhile


class UnitPrice(Strict, frozen=True):
    """What one unit type pays, as a share of the product's price in percent."""

    unit: str  # "adult" | "child" | "student" | "senior"
    percent: int


class HoursSite(Strict, frozen=True):
    """Local hours of a day; `closes` at or before `opens` means past midnight, and counts for the day it began."""

    opens: time
    closes: time


class PlaceSite(Strict, frozen=True):
    """A gate, zone or lift that a ticket covers, by its id; at certain hours of its own if any."""

    place: str
    hours: HoursSite | None = None


class SeasonSite(Strict, frozen=True):
    """From the first to the last day of a season."""

    begins: date
    ends: date


class ProductSite(Strict, frozen=True):
    """One thing that is sold, and what its tickets allow. Entries per ticket: 1 = single use, null = as often as the rest lets.

    A ticket is valid on the day that it is bought for and, with `days` or a `season`, on days after it.
    """

    code: str
    name: Text
    lane_classes: list[LaneClass]
    prices: dict[DayKind, int]  # minor units per full-price unit
    units: list[UnitPrice]
    quota_per_day: int | None = None  # tickets; a timed product has none, as its slots have places
    slots: SlotsSite | None = None  # timed: sold for a day and a start time, and valid from then on
    entries: int | None = 1
    days: int = 1  # days in a row, from the day that the ticket is bought for
    season: SeasonSite | None = None  # or: from that day to the end of the season
    days_of_use: int | None = None  # how many of those days may be used; null: every one
    blackout: list[date] = []  # days on which it is not valid
    hours: HoursSite | None = None  # half-day, night session
    minutes: int | None = None  # runs from the first pass (计时票)
    places: list[PlaceSite] = []  # none: the whole site
    party: int = 1  # persons that one scan lets in, one after the other; a place of the quota is the whole party
    companions: dict[str, str] = {}  # unit by unit that it may pass only after, ticket by ticket of one order
    media: tuple[Medium, ...] = ("printed", "phone", "card")
    attention: dict[str, list[Attention]] = {}  # by unit: what staff should look at
    passback: bool = True  # False: no anti-passback rule applies

    def places_of(self, slot: str | None) -> int:
        """The site's places in one cell of the inventory: of a day, or of a slot of it."""
        if self.slots is None or slot is None:
            return self.quota_per_day or 0
        return self.slots.places_of(slot)


class TariffSite(Strict, frozen=True):
    """The tariff table: a version that every price carries, and the days that are not what the calendar says."""

    version: str
    currency: str = "CNY"
    holidays: list[date] = []
    workdays: list[date] = []  # weekend days on which people work (调休)


class SalesLimits(Strict, frozen=True):
    """Time limits of sales; seconds."""

    quote_s: int = 900
    hold_s: int = 600
    max_units: int = 20  # units in one quote
    horizon_days: int = 400  # how far ahead a ticket can be bought


class FacesSite(Strict, frozen=True):
    """Faces as an opt-in second medium (docs/faces.md). Thresholds follow from rates of strangers: `resort/face_rules.py`."""

    inference_actors: int = 1  # processes of 130 MB and more, each with one shard of the gallery
    one_to_one: OneToOne = OneToOne()
    one_to_many: OneToMany = OneToMany()
    liveness: bool = True  # two more networks, whose opinion goes beside a decision and decides nothing
    when_away: FaceAwayPolicy = "admit"  # a ticket whose face cannot be compared: as without faces, or staff look
    compare_ms: int = 400  # how long a guest who showed his ticket waits for the comparison at most
    look_s: int = 20  # how long staff may see the two pictures and confirm; then they are gone
    consent: ConsentWording = WORDING  # what people agree to; a site's own words need a version of their own
    guarded_units: tuple[str, ...] = ("child",)  # tickets for which a guardian has to agree, whatever age is stated


class RuntimeSite(Strict, frozen=True):
    """How the site is spread over processes."""

    pricing_shards: int = 2
    lanes_per_actor: int = 1
    console_host: str = "127.0.0.1"
    console_port: int = 8080


class PeopleSensorSite(Strict, frozen=True):
    """One people counter or queue sensor. `url` is `tcp://host:port` for one that sends lines, or `push` for one that posts."""

    url: str
    line: str = "in={in} out={out}"  # how a line reads: {in}, {out} and {waiting} are numbers, {any} is a word of no meaning
    counts: Literal["total", "step"] = "total"  # persons since the sensor began, or since its last message
    jump_max: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 200  # more persons between two messages are not believed
    gate: str = ""  # the gate that it is at, for staff


class AlarmLimits(Strict, frozen=True):
    """From when on something is an alarm. Counts are per lane unless said otherwise; docs/alarms.md lists every alarm."""

    quiet_s: int = 120  # an alarm that events raised is over once there was no more evidence for this long
    clear_after_s: int = 3  # an alarm about a state is over once the state was gone for this long
    invalid_scans: int = 8  # codes that nobody should hold up (forged, unknown, stale, blocked ...)
    invalid_window_s: int = 60  # within this
    many_lanes: int = 3  # one code tried at so many lanes of the site, refused at one of them at least
    many_lanes_window_s: int = 120
    cloned_window_s: int = 60  # one step of a rotating code at a second place within this
    forced_turns: int = 1  # turns of a locked arm
    tailgated_turns: int = 1  # turns beyond the grant's
    turns_without_grant: int = 1  # turns of an arm that something else than a grant had unlocked
    unobserved_turns: int = 1  # turns while the lane's program was away
    turns_window_s: int = 60  # within which turns of each kind are counted
    passback_window_s: int = 60
    passback_admitted: int = 1  # persons admitted although they never left, where a zone's passback rule is soft
    conflict_quiet_s: int = 3_600  # a ticket that was admitted too often stays an alarm for this long
    reader_silent_s: int = 15  # a camera without a picture, a scanner without a connection
    camera_blind_s: int = 30  # a camera that is too dark, dazzled, or whose picture has no edges, at a lane that is not closed
    clock_skew_ms: int = 2_000  # between a lane's clock and its gate's
    skew_codes: int = 20  # rotating codes at a lane whose median tells how far its clock is off
    skew_steps: int = 1  # that median, in steps of 15 s
    unserved_after_s: int = 2  # a lane's gate has heard nothing of it for this long, after the 3 s that a gate allows
    ledger_away_s: int = 1  # the admission ledger does not answer for this long
    journal_stuck_s: int = 2  # events do not reach SQL for this long
    spool_percent: int = 80  # of a lane's spool in use
    sensor_silent_s: int = 300  # a people sensor says nothing for this long; many say nothing while nobody comes


class AbnormalSite(Strict, frozen=True):
    """How abnormal behaviour is told from scans (docs/alarms.md). With both off, no such alarm is raised."""

    rules: bool = True
    score: bool = True  # false: no model is opened, and drift is not told


class WebhookSite(Strict, frozen=True):
    """Where alarms are sent, signed with a secret that is in a file or an environment variable, never here."""

    url: str  # https, or http on this very machine
    secret_file: str = ""  # path of a file with the secret (16 bytes at least); or
    secret_env: str = ""  # the name of an environment variable that holds it
    kinds: list[str] = []  # such as forced_arm; none: every kind
    severities: list[Severity] = []  # none: every severity


class Site(Strict, frozen=True):
    """The whole site file."""

    name: Text
    timezone: str
    gates: list[GateSite]
    products: list[ProductSite]
    tariff: TariffSite
    zones: list[ZoneSite] = []
    admission: AdmissionSite = AdmissionSite()
    loudness: list[LoudnessSite] = []  # the first that holds; 100 percent where none does
    offline: OfflineSite = OfflineSite()
    alarms: AlarmLimits = AlarmLimits()
    abnormal: AbnormalSite = AbnormalSite()
    webhooks: list[WebhookSite] = []
    people: dict[str, PeopleSensorSite] = {}  # people sensors by name
    crowd: CrowdSite = CrowdSite()  # how lanes, fast lanes and signs follow the crowd
    heights: HeightLimits = HeightLimits()  # in what bands height sensors tell
    lane_limits: LaneLimits = LaneLimits()
    sales_limits: SalesLimits = SalesLimits()
    runtime: RuntimeSite = RuntimeSite()
    faces: FacesSite | None = None  # null: no face is looked at, stored or asked for
    partners: dict[str, PartnerSite] = {}  # sales partners by the channel of their keys (docs/partners.md)
    supplier: SupplierSite = SupplierSite()  # who they deal with

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone: days and opening hours are local."""
        return ZoneInfo(self.timezone)

    def lanes(self) -> list[tuple[GateSite, LaneSite]]:
        """Every lane with its gate, in the file's order."""
        return [(gate, lane) for gate in self.gates for lane in gate.lanes]

    def product(self, code: str) -> ProductSite | None:
        """The product with this code, or None."""
        return next((product for product in self.products if product.code == code), None)
