// What the page needs of a server: one feed socket and plain requests. The real one is here; `fake/backend.ts` stands in for
// it in development and tests. Nothing else in the page touches the network.
import type { InjectionKey } from "vue";

import type { FeedSocket } from "./connection";

export type Method = "GET" | "POST" | "PUT" | "DELETE";

export interface Reply {
  readonly status: number;
  /** The parsed JSON body, or null when there was none. */
  readonly body: unknown;
}

export interface Backend {
  openFeed(): FeedSocket;
  /** Rejects only when no answer came at all; every HTTP status is a Reply. A Blob is sent as it is. `key`: the same again is the same request. */
  request(method: Method, path: string, body?: unknown, key?: string): Promise<Reply>;
}

export const backendKey: InjectionKey<Backend> = Symbol("backend");

/** A request gets an answer within this time, or counts as unanswered. */
const REQUEST_TIMEOUT_MS = 10_000;

export class HttpBackend implements Backend {
  openFeed(): FeedSocket {
    const address = new URL("/api/feed", window.location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    return new WebSocket(address);
  }

  async request(method: Method, path: string, body?: unknown, key?: string): Promise<Reply> {
    const init: RequestInit = {
      method,
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    };
    if (body instanceof Blob) {
      init.headers = { "Content-Type": body.type };
      init.body = body;
    } else if (body !== undefined) {
      init.headers = { "Content-Type": "application/json" };
      init.body = JSON.stringify(body);
    }
    if (key !== undefined) init.headers = { ...init.headers, "Idempotency-Key": key };
    const response = await fetch(path, init);
    const text = await response.text();
    return { status: response.status, body: parseBody(text) };
  }
}

function parseBody(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null; // a proxy's HTML page says nothing that people could use; the status does
  }
}
