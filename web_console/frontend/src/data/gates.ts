// Gates and the sums over them.
import type { SiteState } from "../collection";
import type { GateView, LaneView } from "../wire/types.gen";

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

function sum<Item>(items: readonly Item[], figure: (item: Item) => number): number {
  return items.reduce((total, item) => total + figure(item), 0);
}

function sumKnown(figures: readonly (number | null)[]): number | null {
  const known = figures.filter((figure) => figure !== null);
  return known.length === 0 ? null : sum(known, (figure) => figure);
}
