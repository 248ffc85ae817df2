// Gates and the sums over them.
import type { SiteState } from "../collection";
import type { AlarmView, GateView, LaneView } from "../wire/types.gen";

export interface Totals {
  readonly passages: number;
  readonly passagesPerMinute: number;
  /** Persons waiting; null when no gate can count them. */
  readonly queue: number | null;
  readonly refusals: number;
  readonly alarms: number;
}

/** The figures of the whole site. */
export function siteTotals(site: SiteState): Totals {
  const gates = [...site.gates.values()];
  return {
    passages: sum(gates, (gate) => gate.passages),
    passagesPerMinute: sum(gates, (gate) => gate.passages_per_minute),
    queue: sumKnown(gates.map((gate) => gate.queue)),
    refusals: sum([...site.lanes.values()], (lane) => lane.refusals),
    alarms: site.alarms.length,
  };
}

/** The lanes of one gate, in the site's order. */
export function lanesOfGate(site: SiteState, gate: GateView): LaneView[] {
  return [...site.lanes.values()].filter((lane) => lane.gate_id === gate.gate_id);
}

const SEVERITY_ORDER = ["critical", "warning", "info"];

/** Alarms as they are read: the gravest first, among equals the newest first. */
export function alarmsByWeight(alarms: readonly AlarmView[]): AlarmView[] {
  return [...alarms].sort(
    (one, other) => weight(one) - weight(other) || Date.parse(other.since) - Date.parse(one.since),
  );
}

function weight(alarm: AlarmView): number {
  const place = SEVERITY_ORDER.indexOf(alarm.severity);
  return place < 0 ? 1 : place; // a severity unknown here must not sink below information
}

function sum<Item>(items: readonly Item[], figure: (item: Item) => number): number {
  return items.reduce((total, item) => total + figure(item), 0);
}

function sumKnown(figures: readonly (number | null)[]): number | null {
  const known = figures.filter((figure) => figure !== null);
  return known.length === 0 ? null : sum(known, (figure) => figure);
}
