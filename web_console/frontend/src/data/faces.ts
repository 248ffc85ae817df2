// Faces of tickets: how it stands, the words to agree to, enrolment from one photograph, and deletion.
import type { Backend } from "../backend";
import type { ConsentWording, FaceStanding, SessionView, TicketFound } from "../wire/types.gen";
import { ask, hasStrings, RequestRefused } from "./requests";

export type Age = "under_14" | "14_or_over";
export type ConsentGiver = "holder" | "guardian";
export type ForgetReason = "withdrawn" | "requested";
export type Origin = "upload" | "window";

/** What the server takes. */
export const PICTURE_TYPES: readonly string[] = ["image/jpeg", "image/png"];
export const PICTURE_LIMIT = 8 * 1024 * 1024;
const SHOT_QUALITY = 0.92;

export interface Enrolment {
  readonly wording: string;
  readonly givenBy: ConsentGiver;
  readonly age: Age;
  readonly origin: Origin;
}

/** Roles that may enrol and delete; the server decides, this only hides what it would refuse. */
export function mayEnrol(session: SessionView): boolean {
  return session.role === "admin" || session.role === "control_room" || session.role === "cashier";
}

/** The number of the ticket that is meant by a number or by a code's text. A code goes in the body, never in an address. */
export async function findTicket(backend: Backend, typed: string): Promise<string> {
  const body = await ask(backend, "POST", "/api/tickets/find", { text: typed });
  if (hasStrings(body, "ticket_id")) return (body as TicketFound).ticket_id;
  throw new RequestRefused(502, "");
}

export async function fetchStanding(backend: Backend, ticketId: string): Promise<FaceStanding> {
  return standingFrom(await ask(backend, "GET", pathOf(ticketId)));
}

/** The words that have to be shown first, in both languages. */
export async function fetchWording(backend: Backend): Promise<ConsentWording> {
  const body = await ask(backend, "GET", "/api/face-consent");
  if (hasStrings(body, "version")) return body as ConsentWording;
  throw new RequestRefused(502, "");
}

/** How it stands afterwards; `advice` in it says why the photograph was not good enough. */
export async function enrolFace(backend: Backend, ticketId: string, how: Enrolment, picture: Blob): Promise<FaceStanding> {
  const query = new URLSearchParams({ wording: how.wording, given_by: how.givenBy, age: how.age, origin: how.origin });
  return standingFrom(await ask(backend, "POST", `${pathOf(ticketId)}?${query.toString()}`, picture));
}

export async function forgetFace(backend: Backend, ticketId: string, reason: ForgetReason): Promise<FaceStanding> {
  return standingFrom(await ask(backend, "DELETE", `${pathOf(ticketId)}?reason=${reason}`));
}

/** Whether this is a picture that the server takes. */
export function isPicture(file: Blob): boolean {
  return PICTURE_TYPES.includes(file.type) && file.size > 0 && file.size <= PICTURE_LIMIT;
}

/** Draw a picture without giving it an address in the page. */
export async function showPicture(canvas: HTMLCanvasElement, picture: Blob): Promise<void> {
  const bitmap = await createImageBitmap(picture);
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  bitmap.close();
}

/** What the camera shows now, as a JPEG. */
export function shot(video: HTMLVideoElement): Promise<Blob | null> {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", SHOT_QUALITY));
}

function pathOf(ticketId: string): string {
  return `/api/tickets/${encodeURIComponent(ticketId)}/face`;
}

function standingFrom(body: unknown): FaceStanding {
  if (hasStrings(body, "ticket_id")) return body as FaceStanding;
  throw new RequestRefused(502, "");
}
