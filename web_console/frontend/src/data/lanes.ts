// Lanes as people speak of them: their states, and the orders staff may give.
import type { Backend } from "../backend";
import type { LaneModeAsk, LaneView } from "../wire/types.gen";
import { ask } from "./requests";

export const LANE_STATES = ["starting", "ready", "awaiting_passage", "closed", "exit", "faulted", "released", "unserved"] as const;
export type LaneState = (typeof LANE_STATES)[number];
export type LaneMode = LaneModeAsk["mode"];

/** The lane's state; one that this page does not know yet (a newer server's) shows as unserved, never as ready. */
export function laneState(lane: LaneView): LaneState {
  return LANE_STATES.find((state) => state === lane.state) ?? "unserved";
}

/** The order that makes sense now: null while a lane starts, is released or has nobody to obey. */
export function possibleOrder(lane: LaneView): LaneMode | null {
  const state = laneState(lane);
  if (state === "closed" || state === "exit") return "open";
  if (state === "ready" || state === "awaiting_passage" || state === "faulted") return "closed";
  return null;
}

/** Order a lane open or closed. Raises RequestRefused, ServerUnreachable; the feed shows when the lane follows. */
export async function orderLane(backend: Backend, laneId: string, mode: LaneMode): Promise<void> {
  const order: LaneModeAsk = { mode };
  await ask(backend, "PUT", `/api/lanes/${encodeURIComponent(laneId)}/mode`, order);
}
