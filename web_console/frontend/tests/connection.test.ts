import { beforeEach, describe, expect, it } from "vitest";

import {
  FeedConnection,
  type LinkStatus,
  LONGEST_RETRY_MS,
  OPEN_WITHIN_MS,
  PROVEN_AFTER_MS,
  retryDelayMs,
  SILENT_AFTER_MS,
  STALE_AFTER_MS,
} from "../src/connection";
import type { FeedFrame, Heartbeat } from "../src/wire/types.gen";
import { ManualWorld, settled } from "./world";

const beat: Heartbeat = { type: "heartbeat", version: 1, at: "2026-12-01T08:00:00Z" };

let world: ManualWorld;
let frames: FeedFrame[];
let statuses: LinkStatus[];
let verdict: "applied" | "gap";
let link: FeedConnection;

beforeEach(() => {
  world = new ManualWorld();
  frames = [];
  statuses = [];
  verdict = "applied";
  link = new FeedConnection(world, {
    onFrame(frame) {
      frames.push(frame);
      return verdict;
    },
    onStatus: (status) => statuses.push(status),
  });
});

describe("a link that holds", () => {
  it("is connected from the first frame on, not from opening", () => {
    link.start();
    expect(link.status.state).toBe("connecting");
    world.socket.send(beat);
    expect(link.status).toEqual({ state: "connected", lastFrameAt: 1_000, stale: false });
    expect(frames).toEqual([beat]);
  });

  it("opens one socket however often it is started", () => {
    link.start();
    link.start();
    expect(world.sockets).toHaveLength(1);
  });
});

describe("staleness", () => {
  it("begins after three silent seconds and ends with the next frame", async () => {
    link.start();
    world.socket.send(beat);
    await world.pass(STALE_AFTER_MS - 1);
    expect(link.status.stale).toBe(false);
    await world.pass(1);
    expect(link.status).toEqual({ state: "connected", lastFrameAt: 1_000, stale: true });
    world.socket.send(beat);
    expect(link.status).toEqual({ state: "connected", lastFrameAt: 1_000 + STALE_AFTER_MS, stale: false });
  });

  it("is told while the link is down, too", async () => {
    link.start();
    world.socket.send(beat);
    world.socket.hangUp();
    await world.pass(STALE_AFTER_MS);
    expect(link.status.state).toBe("reconnecting");
    expect(link.status.stale).toBe(true);
  });

  it("gives a silent socket up and opens another", async () => {
    link.start();
    world.socket.send(beat);
    const silent = world.socket;
    await world.pass(SILENT_AFTER_MS);
    expect(silent.closed).toBe(true);
    await world.pass(LONGEST_RETRY_MS);
    expect(world.sockets.length).toBeGreaterThan(1);
  });

  it("gives up a socket on which no first frame comes", async () => {
    link.start();
    const dumb = world.socket;
    await world.pass(OPEN_WITHIN_MS);
    expect(dumb.closed).toBe(true);
    expect(link.status.state).toBe("reconnecting");
  });
});

describe("reconnecting", () => {
  it("waits longer each time, up to the longest pause, part of it by chance", () => {
    expect([0, 1, 2, 3].map((attempt) => retryDelayMs(attempt, 0))).toEqual([125, 250, 500, 1_000]);
    expect(retryDelayMs(0, 0.5)).toBe(187.5);
    expect(retryDelayMs(60, 0.999)).toBeLessThan(LONGEST_RETRY_MS);
    expect(retryDelayMs(60, 0)).toBe(LONGEST_RETRY_MS / 2);
  });

  it("opens a new socket after the pause", async () => {
    link.start();
    world.socket.hangUp();
    await world.pass(124);
    expect(world.sockets).toHaveLength(1);
    await world.pass(1);
    expect(world.sockets).toHaveLength(2);
    world.socket.send(beat);
    expect(link.status.state).toBe("connected");
  });

  it("does not hurry while links break soon after opening", async () => {
    link.start();
    for (let turn = 0; turn < 4; turn++) {
      world.socket.send(beat);
      world.socket.hangUp();
      await world.pass(retryDelayMs(turn, 0));
    }
    world.socket.hangUp();
    const opened = world.sockets.length;
    await world.pass(retryDelayMs(4, 0) - 1);
    expect(world.sockets).toHaveLength(opened);
    await world.pass(1);
    expect(world.sockets).toHaveLength(opened + 1);
  });

  it("starts with a short pause again after a link that held", async () => {
    link.start();
    for (let turn = 0; turn < 4; turn++) {
      world.socket.hangUp();
      await world.pass(retryDelayMs(turn, 0));
    }
    world.socket.send(beat);
    for (let second = 0; second < PROVEN_AFTER_MS; second += 1_000) {
      await world.pass(1_000);
      world.socket.send(beat);
    }
    const opened = world.sockets.length;
    world.socket.hangUp();
    await world.pass(retryDelayMs(0, 0));
    expect(world.sockets).toHaveLength(opened + 1);
  });

  it("asks for a fresh snapshot after a gap, by a new socket", async () => {
    link.start();
    world.socket.send(beat);
    const first = world.socket;
    verdict = "gap";
    first.send({ ...beat, version: 9 });
    expect(first.closed).toBe(true);
    verdict = "applied";
    await world.pass(retryDelayMs(0, 0));
    expect(world.sockets).toHaveLength(2);
  });

  it.each(["no JSON", "{}", '{"type":"delta","version":1,"at":"x"}', "null"])("drops a socket that sends %s", async (text) => {
    link.start();
    world.socket.onmessage?.(new MessageEvent("message", { data: text }));
    expect(link.status.state).toBe("reconnecting");
    expect(frames).toEqual([]);
  });

  it("ignores what a given-up socket still says", async () => {
    link.start();
    const early = world.socket;
    const late = early.onmessage;
    early.hangUp();
    await world.pass(125);
    late?.(new MessageEvent("message", { data: JSON.stringify(beat) }));
    expect(frames).toEqual([]);
    expect(link.status.state).toBe("reconnecting");
  });

  it("tries at once when woken, and only once", async () => {
    link.start();
    world.socket.hangUp();
    await settled();
    link.wake();
    link.wake();
    expect(world.sockets).toHaveLength(2);
    await world.pass(1_000);
    expect(world.sockets).toHaveLength(2);
  });
});

describe("the session", () => {
  it("ends the tries when it has ended, and says so", async () => {
    link.start();
    world.session = false;
    world.socket.hangUp();
    await world.pass(60_000);
    expect(world.sockets).toHaveLength(1);
    expect(link.status.state).toBe("signed_out");
    expect(statuses.filter((status) => status.state === "signed_out")).toHaveLength(1);
  });

  it("is not doubted when the server gives no answer", async () => {
    link.start();
    world.session = null;
    world.socket.hangUp();
    await world.pass(125);
    expect(world.sockets).toHaveLength(2);
  });
});

it("stops for good: socket closed, no timer left, no try after it", async () => {
  link.start();
  world.socket.send(beat);
  const last = world.socket;
  link.stop();
  expect(last.closed).toBe(true);
  expect(world.pendingTimers).toBe(0);
  await world.pass(60_000);
  expect(world.sockets).toHaveLength(1);
  expect(link.status).toEqual({ state: "stopped", lastFrameAt: 1_000, stale: false });
});
