// Asking the server for something and telling its refusals apart.
import type { Backend, Method } from "../backend";

/** The server answered, but not with what was asked for. `detail` is its one sentence for people, "" when it gave none. */
export class RequestRefused extends Error {
  override readonly name = "RequestRefused";
  readonly status: number;
  readonly detail: string;

  constructor(status: number, detail: string) {
    super(detail === "" ? `The server answered ${status}.` : detail);
    this.status = status;
    this.detail = detail;
  }
}

/** No answer came: the server or the way to it is down. */
export class ServerUnreachable extends Error {
  override readonly name = "ServerUnreachable";
}

/** Send one request; returns the body of a 2xx answer. Raises RequestRefused or ServerUnreachable. */
export async function ask(backend: Backend, method: Method, path: string, body?: unknown, key?: string): Promise<unknown> {
  let reply;
  try {
    reply = await backend.request(method, path, body, key);
  } catch (error) {
    throw new ServerUnreachable("No answer from the server.", { cause: error });
  }
  if (reply.status >= 200 && reply.status < 300) return reply.body;
  throw new RequestRefused(reply.status, detailOf(reply.body));
}

/** Whether `value` is an object whose named fields are all strings. */
export function hasStrings<Key extends string>(value: unknown, ...keys: Key[]): value is Record<Key, string> {
  if (typeof value !== "object" || value === null) return false;
  return keys.every((key) => typeof (value as Record<string, unknown>)[key] === "string");
}

function detailOf(body: unknown): string {
  return hasStrings(body, "detail") ? body.detail : "";
}
