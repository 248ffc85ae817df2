// Generated from schema.json by scripts/wire-types.mjs; do not edit.

export type FeedFrame = Snapshot | Delta | Heartbeat;
/** Stable reason code of a decision. */
export type Reason =
  | "admitted"
  | "already_used"
  | "blackout_day"
  | "blocked"
  | "code_replayed"
  | "companion_alone"
  | "days_used_up"
  | "exit_lane"
  | "face_of_another"
  | "face_unsure"
  | "forged_code"
  | "grant_open"
  | "impossible_travel"
  | "in_use"
  | "lane_busy"
  | "lane_closed"
  | "lane_released"
  | "ledger_unavailable"
  | "look_over"
  | "malformed_code"
  | "nothing_to_annul"
  | "out_of_hours"
  | "outcome_unknown"
  | "refunded"
  | "revoked"
  | "spool_full"
  | "stale_code"
  | "still_inside"
  | "time_used_up"
  | "too_soon"
  | "transferred"
  | "turnstile_unavailable"
  | "unknown_ticket"
  | "unreadable"
  | "wrong_day"
  | "wrong_lane"
  | "wrong_medium"
  | "wrong_place";

/** An open alarm was seen; `note` says what is done about it. */
export interface AcknowledgeAsk {
  note?: string;
}
/** Kept in the journal; the feed shows it with the alarm. */
export interface AcknowledgedView {
  alarm_key: string;
  by: string;
  note: string;
}
/** What came of a proposal. `by`: who accepted or declined it, or `orchestrator`. */
export interface ActView {
  at: string;
  by: string;
  detail?: string;
  effect: Text;
  gate_id: string;
  lane_id: string;
  outcome: "declined" | "done" | "failed" | "seen";
  reason: Text;
  sign_id?: string;
  wish:
    | "ask_staff"
    | "close_lane"
    | "keep_fast_lane"
    | "name_gate"
    | "open_lane"
    | "share_fast_lane"
    | "turn_lane_in"
    | "turn_lane_out";
}
/** One sentence in Chinese and in English. */
export interface Text {
  en: string;
  zh: string;
}
/** Every open alarm as the feed saw it at `version`. */
export interface AlarmList {
  alarms: AlarmView[];
  version: number;
}
/** One open alarm, and who has seen it. */
export interface AlarmView {
  acknowledged_at?: string | null;
  acknowledged_by?: string;
  alarm_key: string;
  evidence?: {
    [k: string]: string | number;
  };
  gate_id: string;
  lane_id: string;
  note?: string;
  severity: string;
  since: string;
  text: Text;
}
/** How full an area is. None: not known now; the level is then the last that was. */
export interface AreaView {
  area_id: string;
  full_in_s: number | null;
  level: "calm" | "filling" | "full";
  limit: number;
  name: Text;
  per_min: number | null;
  persons: number | null;
  persons_sd: number | null;
}
/** What can be bought here. Prices are indicative: only a quote is binding. */
export interface CatalogueView {
  currency: string;
  products: ProductView[];
  site: Text;
  tariff_version: string;
}
/** One thing that is sold: base prices in minor units by day kind, and what each unit type pays of them in percent. */
export interface ProductView {
  code: string;
  entries: number | null;
  lane_classes: ("fast" | "standard" | "vip")[];
  name: Text;
  prices: {
    [k: string]: number;
  };
  slots: string[];
  units: UnitPrice[];
}
/** What one unit type pays, as a share of the product's price in percent. */
export interface UnitPrice {
  percent: number;
  unit: string;
}
/** A consent, with its end where it has ended. */
export interface ConsentView {
  ended_at: string | null;
  given_at: string;
  given_by: "guardian" | "holder";
  reason: ("expired" | "replaced" | "requested" | "ticket_ended" | "withdrawn") | null;
  wording: string;
}
/** The text shown before a face is enrolled; `guardian` is added for who is under 14. */
export interface ConsentWording {
  guardian: Text;
  text: Text;
  version: string;
}
/** What is believed of one gate. None: not known. */
export interface CrowdGateView {
  age_s: number | null;
  arriving_per_min: number | null;
  blind: boolean;
  doubted?: string[];
  gate_id: string;
  lanes_open: number;
  lanes_wanted: number | null;
  left_alone?: {
    [k: string]: string;
  };
  next_quarter: number | null;
  next_quarter_sd: number | null;
  queue: number | null;
  queue_sd: number | null;
  spared?: string[];
  wait_s: number | null;
}
/** What the crowd brain may do from now on; kept over restarts. */
export interface CrowdModeAsk {
  mode: "advise" | "automatic" | "confirm";
}
/** Everything that the orchestrator tells of the crowd. */
export interface CrowdView {
  areas?: AreaView[];
  at: string | null;
  done: ActView[];
  fault: string;
  gates: CrowdGateView[];
  mode: "advise" | "automatic" | "confirm";
  models?: ModelView[];
  outlook?: OutlookView[];
  proposals: ProposalView[];
  signs: SignView[];
}
/**
 * How a learned model stands. `drift` is over `threshold` when days are not as it learnt them; what it counts, by `use`:
 *
 *     `arrivals`: its error over the last week, over that of "as a week ago"; `scans`: how many times as often as in training odd
 *     scans lie far out.
 */
export interface ModelView {
  drift: number | null;
  drifted?: boolean;
  looks: number;
  model: string;
  threshold: number;
  use: "arrivals" | "scans";
}
/** What a demand model says of one gate in the hour that begins at `hour`: persons, eight of ten times within P10 to P90. */
export interface OutlookView {
  gate_id: string;
  hour: string;
  model: string;
  p10: number;
  p50: number;
  p90: number;
}
/** What the orchestrator would do, why, and what it expects of it. */
export interface ProposalView {
  effect: Text;
  gate_id: string;
  lane_id: string;
  proposal_id: string;
  reason: Text;
  sign_id?: string;
  since: string;
  wish:
    | "ask_staff"
    | "close_lane"
    | "keep_fast_lane"
    | "name_gate"
    | "open_lane"
    | "share_fast_lane"
    | "turn_lane_in"
    | "turn_lane_out";
}
/** What a sign should say: the share of its guests that each gate should get. */
export interface SignView {
  display?: "away" | "blank" | "none" | "shows";
  gate_id: string;
  name: Text;
  names?: string;
  ordered_until?: string | null;
  shares: {
    [k: string]: number;
  };
  sign_id: string;
}
/** What changed after `since` up to `version`: whole views of changed gates and lanes; alarms whole when they changed. */
export interface Delta {
  alarms: AlarmView[] | null;
  at: string;
  gates: GateView[];
  lanes: LaneView[];
  since: number;
  type: "delta";
  version: number;
}
/** One gate: its lanes' sums. */
export interface GateView {
  gate_id: string;
  name: Text;
  passages: number;
  passages_per_minute: number;
  queue: number | null;
}
/** One lane as a console shows it. */
export interface LaneView {
  detail: Text;
  gate_id: string;
  lane_class: string;
  lane_id: string;
  last: LastDecision | null;
  name: Text;
  passages: number;
  passages_per_minute: number;
  policy?: string;
  queue: number | null;
  refusals: number;
  state: string;
}
/** The newest verdict at a lane, with its reason in words. */
export interface LastDecision {
  admitted: boolean;
  at: string;
  attention?: string[];
  height?: Text | null;
  look?: LookOpen | null;
  reason: string;
  text: Text;
}
/** Staff are to compare two pictures, which are fetched by this id until then. `score`: the likeness, null when unknown. */
export interface LookOpen {
  scan_id: string;
  score?: number | null;
  until: string;
}
/** What is wrong with a photograph (`resort.face_quality.FaceFault`), and what to do better. */
export interface FaceAdvice {
  fault: string;
  says: Text;
}
/**
 * How it stands with a ticket's face. It tells nothing of the face itself.
 *
 *     `advice`: the photograph just sent is not good enough for these reasons, and nothing of it was stored.
 */
export interface FaceStanding {
  advice?: FaceAdvice[];
  consents?: ConsentView[];
  enrolled: boolean;
  enrolled_at?: string | null;
  model_id?: string | null;
  origin?: ("kiosk" | "passage" | "upload" | "window") | null;
  ticket_id: string;
  valid_on?: string | null;
  valid_until?: string | null;
}
/** Everything, at `version`. */
export interface Snapshot {
  alarms: AlarmView[];
  at: string;
  gates: GateView[];
  lanes: LaneView[];
  site: Text;
  timezone?: string;
  type: "snapshot";
  version: number;
}
/** Nothing changed; the feed is alive and stands at `version`. */
export interface Heartbeat {
  at: string;
  type: "heartbeat";
  version: number;
}
/** One gate with its lanes and open alarms. */
export interface GateDetail {
  alarms: AlarmView[];
  gate: GateView;
  lanes: LaneView[];
  version: number;
}
/** Every gate and lane as the feed saw them at `version`. */
export interface GateList {
  alarms: AlarmView[];
  gates: GateView[];
  lanes: LaneView[];
  version: number;
}
/** Whether the resort can serve; `ok` is true when every part is. */
export interface HealthView {
  ok: boolean;
  parts: PartHealth[];
}
/** One part the console depends on. */
export interface PartHealth {
  detail: string;
  ok: boolean;
  part: string;
}
/** Open a lane to guests, or close it. Exit, fire release and power loss never wait for this. */
export interface LaneModeAsk {
  mode: "closed" | "exit" | "open";
}
/** The order as accepted; the feed tells when the lane follows. */
export interface LaneModeView {
  lane_id: string;
  mode: "closed" | "exit" | "open";
}
/** Why somebody is let through by hand, or an entry taken back: it goes into the journal. */
export interface LaneOrderAsk {
  note: string;
}
/** Whose tickets a lane admits for the moment, besides those of its own class; nobody else with none. */
export interface LanePolicyAsk {
  /**
   * @maxItems 3
   */
  admits:
    | []
    | ["fast" | "standard" | "vip"]
    | ["fast" | "standard" | "vip", "fast" | "standard" | "vip"]
    | ["fast" | "standard" | "vip", "fast" | "standard" | "vip", "fast" | "standard" | "vip"];
  note?: string;
}
/** The order as accepted; the lane follows within a second. */
export interface LanePolicyView {
  admits: ("fast" | "standard" | "vip")[];
  lane_id: string;
}
/**
 * The two pictures of an open look, JPEGs in base64: the lane's camera now, and the one that was enrolled. Null: there is
 *     none. Never stored, never cached.
 */
export interface LookPictures {
  enrolled: string | null;
  live: string | null;
  ticket_id: string;
}
/** An error answer (RFC 9457, `application/problem+json`). `code` is stable; `detail` is one sentence for people. */
export interface Problem {
  code: string;
  detail: string;
  field?: string;
  incident?: string;
  status: number;
  title: string;
  type: string;
}
/** One rule: what it saw, by name, and the reason for which it refuses, if it does. */
export interface RuleView {
  inputs: {};
  reason: Reason | null;
  rule: string;
  says: Text | null;
}
/** Every sensor, in the site file's order. */
export interface SensorList {
  sensors: SensorView[];
}
/** One sensor. Persons since the site was opened; None: it does not say, or nothing was heard of it. */
export interface SensorView {
  entered: number | null;
  gate_id: string;
  heard_at: string | null;
  left: number | null;
  name: string;
  silent_s: number;
  waiting: number | null;
}
/** Who is signed in on this cookie. */
export interface SessionView {
  name: string;
  role: string;
}
/** What the display at a sign names for so many minutes: a gate, "" for nothing; null: what the crowd brain says again. */
export interface SignAsk {
  gate_id: string | null;
  minutes?: number;
}
/** A name and a password, exchanged for the session cookie. */
export interface SignIn {
  name: string;
  password: string;
}
/**
 * What came of a staff order: `ok`, or the stable code of a reason, with its sentence. A test scan always has a reason,
 *     `admitted` among them.
 */
export interface StaffOutcome {
  attention?: ("age_proof" | "height" | "photo" | "student_card")[];
  grant_id?: string | null;
  outcome: string;
  text: Text;
  ticket_id?: string | null;
  warning?: string;
}
/** A code to be decided on as if it were held up at the lane now. */
export interface TestScanAsk {
  code: string;
}
/** What the lane would decide, and each rule with what it saw as far as SQL knows (none where the code is nobody's). */
export interface TestScanView {
  outcome: StaffOutcome;
  rules: RuleView[];
}
/** A ticket's number, or a code's text. */
export interface TicketFindAsk {
  text: string;
}
/** The number of the ticket that was meant. */
export interface TicketFound {
  ticket_id: string;
}
