// A small resort that lives inside the page: guests come and go by seeded chance, and the site speaks the feed's own frames.
// Only for development and tests; the real rehearsal of the resort is `sim/`.
import type { AlarmView, Delta, GateView, Heartbeat, LaneView, Snapshot, Text } from "../wire/types.gen";

const SITE: Text = { zh: "雪门示范雪场", en: "Snowgate Demo Resort" };

const GATES: readonly { id: string; name: Text; standardLanes: number }[] = [
  { id: "village", name: { zh: "山门", en: "Village gate" }, standardLanes: 3 },
  { id: "north", name: { zh: "北坡", en: "North gate" }, standardLanes: 2 },
  { id: "summit", name: { zh: "顶峰", en: "Summit gate" }, standardLanes: 2 },
];

export const ADMITTED: Text = { zh: "请通行", en: "Please go through" };

const REFUSALS: readonly { reason: string; text: Text }[] = [
  { reason: "already_used", text: { zh: "此票已使用", en: "This ticket has already been used" } },
  { reason: "wrong_day", text: { zh: "此票不是今天的票", en: "This ticket is for another day" } },
  { reason: "wrong_lane", text: { zh: "此票不能走快速通道", en: "This ticket does not cover the fast lane" } },
  {
    reason: "outcome_unknown",
    text: { zh: "此票上次放行结果未知, 请联系工作人员", en: "It is not known whether this ticket was used; please ask our staff" },
  },
];

/** A stream of numbers in [0, 1), the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export class FakeWorld {
  readonly #random: () => number;
  readonly #now: () => number;
  readonly #lanes = new Map<string, LaneView>();
  readonly #changed = new Set<string>();
  #alarms: AlarmView[] = [];
  #alarmsChanged = false;
  #version = 1;

  /** `now` answers the time in ms since 1970. */
  constructor(now: () => number, seed = 7) {
    this.#now = now;
    this.#random = seeded(seed);
    for (const gate of GATES) {
      for (let number = 1; number <= gate.standardLanes; number++) this.#addLane(gate.id, String(number));
      this.#addLane(gate.id, "fast");
    }
  }

  get version(): number {
    return this.#version;
  }

  get laneIds(): string[] {
    return [...this.#lanes.keys()];
  }

  lane(laneId: string): LaneView {
    const lane = this.#lanes.get(laneId);
    if (lane === undefined) throw new Error(`There is no lane ${laneId}.`);
    return lane;
  }

  /** Change a lane; the next delta tells. */
  change(laneId: string, change: Partial<LaneView>): void {
    this.#lanes.set(laneId, { ...this.lane(laneId), ...change });
    this.#changed.add(laneId);
  }

  /** A guest is admitted, and goes through later, by `pass`. */
  admit(laneId: string): void {
    this.change(laneId, {
      state: "awaiting_passage",
      last: { at: this.#at(), admitted: true, reason: "admitted", text: ADMITTED },
    });
  }

  pass(laneId: string): void {
    const lane = this.lane(laneId);
    this.change(laneId, { state: "ready", passages: lane.passages + 1, queue: Math.max(0, (lane.queue ?? 0) - 1) });
  }

  refuse(laneId: string, kind = Math.floor(this.#random() * REFUSALS.length)): void {
    const refusal = REFUSALS[kind % REFUSALS.length];
    if (refusal === undefined) return;
    const last = { at: this.#at(), admitted: false, reason: refusal.reason, text: refusal.text };
    this.change(laneId, { last, refusals: this.lane(laneId).refusals + 1 });
  }

  raise(alarm: Omit<AlarmView, "since">): void {
    this.#alarms = [...this.#alarms.filter((open) => open.alarm_key !== alarm.alarm_key), { ...alarm, since: this.#at() }];
    this.#alarmsChanged = true;
  }

  /** Somebody has seen an open alarm; false when it is not open. */
  acknowledge(alarmKey: string, by: string, note: string): boolean {
    if (!this.#alarms.some((open) => open.alarm_key === alarmKey)) return false;
    const seen = { acknowledged_by: by, acknowledged_at: this.#at(), note };
    this.#alarms = this.#alarms.map((open) => (open.alarm_key === alarmKey ? { ...open, ...seen } : open));
    this.#alarmsChanged = true;
    return true;
  }

  /** The cause of an alarm is gone. */
  clear(alarmKey: string): void {
    this.#alarms = this.#alarms.filter((open) => open.alarm_key !== alarmKey);
    this.#alarmsChanged = true;
  }

  /** One turn of life at every lane. */
  live(): void {
    for (const laneId of this.laneIds) {
      const lane = this.lane(laneId);
      const dice = this.#random();
      if (lane.state === "awaiting_passage" && dice < 0.6) this.pass(laneId);
      else if (lane.state === "ready" && dice < 0.22) this.admit(laneId);
      else if (lane.state === "ready" && dice < 0.26) this.refuse(laneId);
      else if (lane.state === "ready" && dice > 0.9) this.change(laneId, { queue: Math.floor(this.#random() * 9) });
    }
  }

  snapshot(): Snapshot {
    return {
      type: "snapshot",
      version: this.#version,
      at: this.#at(),
      site: SITE,
      gates: GATES.map((gate) => this.#gate(gate.id)),
      lanes: [...this.#lanes.values()],
      alarms: this.#alarms,
      timezone: "Asia/Shanghai",
    };
  }

  /** What changed since the last call, or a heartbeat. */
  news(): Delta | Heartbeat {
    if (this.#changed.size === 0 && !this.#alarmsChanged) return { type: "heartbeat", version: this.#version, at: this.#at() };
    const lanes = [...this.#changed].map((laneId) => this.lane(laneId));
    const gateIds = new Set(lanes.map((lane) => lane.gate_id));
    const delta: Delta = {
      type: "delta",
      since: this.#version,
      version: ++this.#version,
      at: this.#at(),
      gates: [...gateIds].map((gateId) => this.#gate(gateId)),
      lanes,
      alarms: this.#alarmsChanged ? this.#alarms : null,
    };
    this.#changed.clear();
    this.#alarmsChanged = false;
    return delta;
  }

  #addLane(gateId: string, number: string): void {
    const fast = number === "fast";
    const passages = Math.floor(this.#random() * 900);
    const id = `${gateId}-${number}`;
    this.#lanes.set(id, {
      lane_id: id,
      gate_id: gateId,
      name: fast ? { zh: "快速", en: "Fast lane" } : { zh: `${number} 号`, en: `Lane ${number}` },
      lane_class: fast ? "fast" : "standard",
      state: "ready",
      detail: { zh: "", en: "" },
      passages,
      refusals: Math.floor(passages * 0.06),
      passages_per_minute: 3 + Math.floor(this.#random() * 9),
      queue: fast ? null : Math.floor(this.#random() * 7),
      last: null,
    });
  }

  #gate(gateId: string): GateView {
    const gate = GATES.find((known) => known.id === gateId);
    if (gate === undefined) throw new Error(`There is no gate ${gateId}.`);
    const lanes = [...this.#lanes.values()].filter((lane) => lane.gate_id === gateId);
    const total = (figure: (lane: LaneView) => number): number => lanes.reduce((sum, lane) => sum + figure(lane), 0);
    return {
      gate_id: gateId,
      name: gate.name,
      passages: total((lane) => lane.passages),
      passages_per_minute: total((lane) => lane.passages_per_minute),
      queue: total((lane) => lane.queue ?? 0),
    };
  }

  #at(): string {
    return new Date(this.#now()).toISOString();
  }
}
