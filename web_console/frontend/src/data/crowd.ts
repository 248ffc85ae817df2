// The crowd brain: how it stands, asked for again and again while somebody watches, and staff's answers to it.
import type { Backend } from "../backend";
import type { CrowdGateView, CrowdModeAsk, CrowdView, SignAsk } from "../wire/types.gen";
import { ask, RequestRefused } from "./requests";

export const ASK_EVERY_MS = 2_000;
export const MODES = ["advise", "confirm", "automatic"] as const;
export type CrowdMode = CrowdModeAsk["mode"];
export type ProposalAnswer = "accept" | "decline";

/** How it stands. Raises RequestRefused, ServerUnreachable. */
export async function fetchCrowd(backend: Backend): Promise<CrowdView> {
  return viewFrom(await ask(backend, "GET", "/api/crowd"));
}

/** What it may do from now on. Raises RequestRefused, ServerUnreachable. */
export async function setCrowdMode(backend: Backend, mode: CrowdMode): Promise<CrowdView> {
  const order: CrowdModeAsk = { mode };
  return viewFrom(await ask(backend, "PUT", "/api/crowd/mode", order));
}

/** Accept or decline what it proposes; 404 when it is no longer proposed. Raises RequestRefused, ServerUnreachable. */
export async function answerProposal(backend: Backend, proposalId: string, answer: ProposalAnswer): Promise<void> {
  await ask(backend, "POST", `/api/crowd/proposals/${encodeURIComponent(proposalId)}/${answer}`);
}

/** What the display of a sign names for half an hour; null: what is advised. Raises RequestRefused, ServerUnreachable. */
export async function orderSign(backend: Backend, signId: string, gateId: string | null): Promise<CrowdView> {
  const order: SignAsk = { gate_id: gateId, minutes: 30 };
  return viewFrom(await ask(backend, "PUT", `/api/crowd/signs/${encodeURIComponent(signId)}`, order));
}

/** Ask now and then every two seconds, one question at a time; `now` asks at once, `stop` ends it. */
export function watchCrowd(backend: Backend, told: (view: CrowdView | null) => void): { now: () => void; stop: () => void } {
  let over = false;
  let turns = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  async function turn(): Promise<void> {
    const own = ++turns;
    clearTimeout(timer);
    let view: CrowdView | null;
    try {
      view = await fetchCrowd(backend);
    } catch {
      view = null;
    }
    if (over || own !== turns) return; // a newer question is under way
    told(view);
    timer = setTimeout(() => void turn(), ASK_EVERY_MS);
  }
  void turn();
  return {
    now: () => void turn(),
    stop: () => {
      over = true;
      clearTimeout(timer);
    },
  };
}

/** Whole minutes that who comes now waits, rounded up; null while it is not known. */
export function waitMinutes(gate: CrowdGateView): number | null {
  return gate.blind || gate.wait_s === null ? null : Math.ceil(gate.wait_s / 60);
}

function viewFrom(body: unknown): CrowdView {
  const view = body as Partial<CrowdView> | null;
  if (Array.isArray(view?.gates) && Array.isArray(view.proposals) && Array.isArray(view.done)) return view as CrowdView;
  throw new RequestRefused(502, "");
}
