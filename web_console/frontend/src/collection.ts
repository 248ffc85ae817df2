// The site as this page knows it: a snapshot, kept current by versioned deltas. A plain function on plain maps; the page hands
// in reactive ones. It never guesses: a frame that does not follow the one before is a gap, and only a new snapshot heals it.
import type { AlarmView, FeedFrame, GateView, LaneView, Snapshot, Text } from "./wire/types.gen";

export interface SiteState {
  /** Version of the last frame taken in; null before the first snapshot. */
  version: number | null;
  name: Text | null;
  readonly gates: Map<string, GateView>;
  readonly lanes: Map<string, LaneView>;
  alarms: readonly AlarmView[];
}

/** What became of a frame: taken in, ignored as already known, or refused because something between is missing. */
export type Taken = "applied" | "ignored" | "gap";

export function applyFrame(site: SiteState, frame: FeedFrame): Taken {
  if (frame.type === "snapshot") {
    replaceAll(site, frame);
    return "applied";
  }
  if (site.version === null) return "gap";
  if (frame.type === "heartbeat") return frame.version === site.version ? "applied" : "gap";
  if (frame.since > site.version) return "gap";
  if (frame.version <= site.version) return "ignored";
  for (const gate of frame.gates) site.gates.set(gate.gate_id, gate);
  for (const lane of frame.lanes) site.lanes.set(lane.lane_id, lane);
  if (frame.alarms !== null) site.alarms = frame.alarms;
  site.version = frame.version;
  return "applied";
}

/** Whether a parsed message has the shape of a frame, as far as this page relies on it. */
export function isFeedFrame(value: unknown): value is FeedFrame {
  if (typeof value !== "object" || value === null) return false;
  const frame = value as Record<string, unknown>;
  if (typeof frame.version !== "number" || typeof frame.at !== "string") return false;
  const lists = Array.isArray(frame.gates) && Array.isArray(frame.lanes);
  if (frame.type === "snapshot") return lists && Array.isArray(frame.alarms) && typeof frame.site === "object";
  if (frame.type === "delta") return lists && typeof frame.since === "number" && isListOrNull(frame.alarms);
  return frame.type === "heartbeat";
}

function replaceAll(site: SiteState, snapshot: Snapshot): void {
  site.gates.clear();
  for (const gate of snapshot.gates) site.gates.set(gate.gate_id, gate);
  site.lanes.clear();
  for (const lane of snapshot.lanes) site.lanes.set(lane.lane_id, lane);
  site.alarms = snapshot.alarms;
  site.name = snapshot.site;
  site.version = snapshot.version;
}

function isListOrNull(value: unknown): boolean {
  return value === null || Array.isArray(value);
}
