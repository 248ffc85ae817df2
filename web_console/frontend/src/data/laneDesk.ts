// What staff do at one lane besides opening and closing it: let somebody through, take an entry back, try a code, the policy.
import type { Backend } from "../backend";
import type { LaneOrderAsk, LanePolicyAsk, LaneView, StaffOutcome, TestScanAsk, TestScanView } from "../wire/types.gen";
import { ask, RequestRefused } from "./requests";

export const LANE_ACTS = ["admit", "annul", "test", "policy"] as const;
export type LaneAct = (typeof LANE_ACTS)[number];
export type LaneClass = LaneView["lane_class"];
export const LANE_CLASSES: readonly LaneClass[] = ["standard", "fast", "vip"];
/** The longest note that the server takes. */
export const NOTE_LIMIT = 200;

/** What can be ordered at this lane: only lanes of a class of their own have a policy to set. */
export function possibleActs(lane: LaneView): LaneAct[] {
  return LANE_ACTS.filter((act) => act !== "policy" || lane.lane_class !== "standard");
}

/** A key under which an order is the same however often it is sent. */
export function freshKey(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("-");
}

/** Let one person through, or give the last guest's entry back; the same key moves nothing twice. */
export async function orderAtLane(backend: Backend, laneId: string, act: "admit" | "annul", note: string, key: string): Promise<StaffOutcome> {
  const order: LaneOrderAsk = { note };
  return outcomeFrom(await ask(backend, "POST", pathOf(laneId, act), order, key));
}

/** What the lane would decide on a code now, and why. */
export async function tryCode(backend: Backend, laneId: string, code: string): Promise<TestScanView> {
  const asked: TestScanAsk = { code };
  const body = (await ask(backend, "POST", pathOf(laneId, "test-scan"), asked)) as Partial<TestScanView> | null;
  return { outcome: outcomeFrom(body?.outcome), rules: body?.rules ?? [] };
}

/** Whose tickets the lane admits for the moment, besides those of its own class. */
export async function orderPolicy(backend: Backend, laneId: string, admits: LaneClass[], note: string): Promise<void> {
  const order: LanePolicyAsk = { admits: admits as LanePolicyAsk["admits"], note };
  await ask(backend, "POST", pathOf(laneId, "policy"), order);
}

/** What a rule saw, as one line. */
export function seenBy(inputs: Record<string, unknown>): string {
  return Object.entries(inputs)
    .map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(" ") || "—" : value === null || value === "" ? "—" : String(value)}`)
    .join(" · ");
}

function pathOf(laneId: string, what: string): string {
  return `/api/lanes/${encodeURIComponent(laneId)}/${what}`;
}

function outcomeFrom(body: unknown): StaffOutcome {
  const outcome = body as Partial<StaffOutcome> | null | undefined;
  if (typeof outcome?.outcome === "string" && outcome.text !== undefined) return outcome as StaffOutcome;
  throw new RequestRefused(502, "");
}
