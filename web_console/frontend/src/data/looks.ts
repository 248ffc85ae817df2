// Looks of staff: where a lane is not sure of a face, the two pictures of it, and what staff say of them.
import type { Backend } from "../backend";
import type { LaneView, LookOpen, LookPictures, StaffOutcome } from "../wire/types.gen";
import { ask, hasStrings, RequestRefused } from "./requests";

export type LookAnswer = "confirm" | "reject";

/** The look that is open at a lane at this time of the server, if there is one. */
export function openLook(lane: LaneView, now: number): LookOpen | null {
  const look = lane.last?.look ?? null;
  return look !== null && Date.parse(look.until) > now ? look : null;
}

/** Whole seconds until it is over. */
export function secondsLeft(look: LookOpen, now: number): number {
  return Math.max(0, Math.ceil((Date.parse(look.until) - now) / 1000));
}

/** Both pictures, as base64. That they were seen is written down by the server. */
export async function fetchPictures(backend: Backend, laneId: string, scanId: string): Promise<LookPictures> {
  const body = await ask(backend, "GET", pathOf(laneId, scanId));
  if (!hasStrings(body, "ticket_id")) throw new RequestRefused(502, "");
  return body as LookPictures;
}

/** Say whether both show one person; the same key is the same answer. */
export async function answerLook(backend: Backend, laneId: string, scanId: string, answer: LookAnswer, key: string): Promise<StaffOutcome> {
  const body = (await ask(backend, "POST", `${pathOf(laneId, scanId)}/${answer}`, undefined, key)) as Partial<StaffOutcome> | null;
  if (typeof body?.outcome === "string" && body.text !== undefined) return body as StaffOutcome;
  throw new RequestRefused(502, "");
}

/** Draw a picture where it leaves no trace in the page: no address, nothing to save or to cache. */
export async function draw(canvas: HTMLCanvasElement, base64: string): Promise<void> {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes]));
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  bitmap.close();
}

function pathOf(laneId: string, scanId: string): string {
  return `/api/lanes/${encodeURIComponent(laneId)}/looks/${encodeURIComponent(scanId)}`;
}
