// The one WebSocket to the feed: opens it, opens it again with growing pauses, and says how fresh the picture is. It knows
// nothing of lanes or of Vue. Timers, sockets and chance are arguments, so that tests need no waiting.
import { isFeedFrame } from "./collection";
import type { FeedFrame } from "./wire/types.gen";

/** The part of a WebSocket that is used here. */
export interface FeedSocket {
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  close(): void;
}

export type LinkState = "connecting" | "connected" | "reconnecting" | "signed_out" | "stopped";

export interface LinkStatus {
  readonly state: LinkState;
  /** Local time of the last frame in ms, null before the first. */
  readonly lastFrameAt: number | null;
  /** No frame for STALE_AFTER_MS: what is shown may no longer be so. */
  readonly stale: boolean;
}

export interface Surroundings {
  openFeed(): FeedSocket;
  /** Whether the session still stands; null when the server gave no answer. Browsers hide why a WebSocket was refused. */
  signedIn(): Promise<boolean | null>;
  /** Local time in ms. */
  now(): number;
  /** Runs `task` after `delayMs`; returns what cancels it. */
  after(delayMs: number, task: () => void): () => void;
  /** A number in [0, 1). */
  random(): number;
}

export interface Listener {
  /** Takes a frame in; "gap" asks for a fresh snapshot. */
  onFrame(frame: FeedFrame): "applied" | "ignored" | "gap";
  onStatus(status: LinkStatus): void;
}

/** The server sends a heartbeat about every second, so three missing ones mean that something is wrong. */
export const STALE_AFTER_MS = 3_000;
/** A link silent for this long is dead even if its socket does not know (a pulled cable closes nothing). */
export const SILENT_AFTER_MS = 6_000;
/** The first frame must come within this time of opening. */
export const OPEN_WITHIN_MS = 8_000;
export const FIRST_RETRY_MS = 250;
export const LONGEST_RETRY_MS = 8_000;
/** A link that held this long was good: the next pause starts small again. */
export const PROVEN_AFTER_MS = 5_000;

/** Pause before try number `attempt` (from 0): doubles up to the longest, half of it by chance so that a whole resort's screens
 * do not return in step. */
export function retryDelayMs(attempt: number, random: number): number {
  const full = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt);
  return full / 2 + (full / 2) * random;
}

export class FeedConnection {
  readonly #world: Surroundings;
  readonly #listener: Listener;
  #socket: FeedSocket | null = null;
  #status: LinkStatus = { state: "stopped", lastFrameAt: null, stale: false };
  #attempt = 0;
  #connectedAt: number | null = null;
  /** Grows with each socket or stop, so that answers meant for an earlier one are recognised. */
  #turn = 0;
  #cancelStale: () => void = nothing;
  #cancelSilent: () => void = nothing;
  #cancelRetry: () => void = nothing;

  constructor(world: Surroundings, listener: Listener) {
    this.#world = world;
    this.#listener = listener;
  }

  get status(): LinkStatus {
    return this.#status;
  }

  start(): void {
    if (this.#status.state !== "stopped" && this.#status.state !== "signed_out") return;
    this.#attempt = 0;
    this.#set({ state: "connecting" });
    this.#open();
  }

  /** Close for good; `start` begins anew. */
  stop(): void {
    this.#drop();
    this.#cancelStale();
    this.#set({ state: "stopped", stale: false });
  }

  /** Try now instead of after the pause, as when the network came back or the page was shown again. */
  wake(): void {
    if (this.#status.state !== "reconnecting" || this.#socket !== null) return;
    this.#attempt = 0;
    this.#drop();
    this.#open();
  }

  #open(): void {
    const turn = ++this.#turn;
    this.#connectedAt = null;
    let socket: FeedSocket;
    try {
      socket = this.#world.openFeed();
    } catch {
      void this.#lost(turn); // the browser refused even to try; the pause and the status are the same
      return;
    }
    this.#socket = socket;
    socket.onmessage = (event) => this.#received(turn, event.data);
    socket.onclose = () => void this.#lost(turn);
    this.#watchSilence(turn, OPEN_WITHIN_MS);
  }

  #received(turn: number, data: unknown): void {
    if (turn !== this.#turn) return;
    const frame = parse(data);
    if (frame === null || this.#listener.onFrame(frame) === "gap") {
      void this.#lost(turn);
      return;
    }
    const now = this.#world.now();
    this.#connectedAt ??= now;
    if (now - this.#connectedAt >= PROVEN_AFTER_MS) this.#attempt = 0;
    this.#watchSilence(turn, SILENT_AFTER_MS);
    this.#cancelStale();
    this.#cancelStale = this.#world.after(STALE_AFTER_MS, () => this.#set({ stale: true }));
    this.#set({ state: "connected", lastFrameAt: now, stale: false });
  }

  async #lost(turn: number): Promise<void> {
    if (turn !== this.#turn) return;
    this.#drop();
    const current = this.#turn;
    this.#set({ state: "reconnecting" });
    const signedIn = await this.#world.signedIn();
    if (current !== this.#turn) return;
    if (signedIn === false) {
      this.#cancelStale();
      this.#set({ state: "signed_out", stale: false });
      return;
    }
    this.#cancelRetry = this.#world.after(retryDelayMs(this.#attempt++, this.#world.random()), () => this.#open());
  }

  #watchSilence(turn: number, limitMs: number): void {
    this.#cancelSilent();
    this.#cancelSilent = this.#world.after(limitMs, () => void this.#lost(turn));
  }

  /** Let the socket and every pending step go; late events of that socket no longer count. */
  #drop(): void {
    this.#turn++;
    this.#cancelSilent();
    this.#cancelRetry();
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }

  #set(change: Partial<LinkStatus>): void {
    this.#status = { ...this.#status, ...change };
    this.#listener.onStatus(this.#status);
  }
}

function parse(data: unknown): FeedFrame | null {
  if (typeof data !== "string") return null;
  try {
    const value: unknown = JSON.parse(data);
    return isFeedFrame(value) ? value : null;
  } catch {
    return null;
  }
}

function nothing(): void {}
