import { beforeEach, describe, expect, it } from "vitest";

import { acknowledge, alarmsByWeight, evidenceOf } from "../src/data/alarms";
import { siteTotals } from "../src/data/gates";
import { laneState, orderLane, possibleOrder } from "../src/data/lanes";
import { RequestRefused, ServerUnreachable } from "../src/data/requests";
import { currentSession, mayCommandLanes, signIn, signOut } from "../src/data/session";
import { FakeBackend, PASSWORD } from "../src/fake/backend";
import { FakeWorld } from "../src/fake/world";
import type { AlarmView, GateView } from "../src/wire/types.gen";

let backend: FakeBackend;

beforeEach(() => {
  backend = new FakeBackend(new FakeWorld(() => Date.UTC(2026, 11, 1, 8)));
});

describe("the session", () => {
  it("begins with the right password and ends on request", async () => {
    expect(await currentSession(backend)).toBeNull();
    expect(await signIn(backend, { name: "admin", password: PASSWORD })).toEqual({ name: "admin", role: "admin" });
    expect(await currentSession(backend)).toEqual({ name: "admin", role: "admin" });
    await signOut(backend);
    expect(await currentSession(backend)).toBeNull();
  });

  it("tells a wrong password from a server that is away", async () => {
    await expect(signIn(backend, { name: "admin", password: "no" })).rejects.toSatisfy(
      (error) => error instanceof RequestRefused && error.status === 401 && error.detail !== "",
    );
    backend.reachable = false;
    await expect(signIn(backend, { name: "admin", password: PASSWORD })).rejects.toBeInstanceOf(ServerUnreachable);
    await expect(currentSession(backend)).rejects.toBeInstanceOf(ServerUnreachable);
  });

  it("may end twice", async () => {
    await signOut(backend);
    expect(backend.session).toBeNull();
  });

  it.each([
    ["admin", true],
    ["control_room", true],
    ["cashier", false],
    ["viewer", false],
  ])("as %s may command lanes: %s", (role, may) => {
    expect(mayCommandLanes({ name: "x", role })).toBe(may);
  });
});

describe("lanes", () => {
  it.each([
    ["closed", "open"],
    ["exit", "open"],
    ["ready", "closed"],
    ["awaiting_passage", "closed"],
    ["faulted", "closed"],
    ["released", null],
    ["starting", null],
    ["unserved", null],
    ["a state of a newer server", null],
  ])("in state %s can be ordered: %s", (state, order) => {
    expect(possibleOrder({ ...backend.world.lane("north-1"), state })).toBe(order);
  });

  it("never show an unknown state as ready", () => {
    expect(laneState({ ...backend.world.lane("north-1"), state: "melting" })).toBe("unserved");
  });

  it("are ordered by their id; what the server refuses is told", async () => {
    await signIn(backend, { name: "control_room", password: PASSWORD });
    await orderLane(backend, "north-1", "closed");
    expect(backend.orders).toEqual(["north-1 closed"]);
    await expect(orderLane(backend, "no/such", "open")).rejects.toSatisfy(
      (error) => error instanceof RequestRefused && error.status === 404,
    );
  });
});

describe("sums", () => {
  it("count what is known and say when no queue can be counted", () => {
    const { gates, lanes } = backend.world.snapshot();
    const blind = gates.map((gate): GateView => ({ ...gate, passages: 10, passages_per_minute: 2, queue: null }));
    const site = {
      version: 1,
      name: null,
      gates: new Map(blind.map((gate) => [gate.gate_id, gate])),
      lanes: new Map(lanes.map((lane) => [lane.lane_id, { ...lane, refusals: 1 }])),
      alarms: [],
    };
    expect(siteTotals(site)).toEqual({ passages: 30, passagesPerMinute: 6, queue: null, refusals: 10, alarms: 0 });
    for (const gate of blind.slice(1)) site.gates.set(gate.gate_id, { ...gate, queue: 4 });
    expect(siteTotals(site).queue).toBe(8);
  });
});

describe("alarms", () => {
  const alarm = (alarm_key: string, severity: string, since: string, more: Partial<AlarmView> = {}): AlarmView => ({
    alarm_key,
    severity,
    since,
    gate_id: "",
    lane_id: "",
    text: { zh: "", en: "" },
    ...more,
  });

  it("are sorted by weight, unseen ones first, then newest first; none of unknown severity sinks", () => {
    const sorted = alarmsByWeight([
      alarm("info", "info", "2026-12-01T09:00:00Z"),
      alarm("odd", "grave", "2026-12-01T08:30:00Z"),
      alarm("old", "critical", "2026-12-01T07:00:00Z"),
      alarm("warning", "warning", "2026-12-01T08:00:00Z"),
      alarm("seen", "critical", "2026-12-01T09:00:00Z", { acknowledged_at: "2026-12-01T09:01:00Z" }),
      alarm("new", "critical", "2026-12-01T08:00:00Z"),
    ]);
    expect(sorted.map((open) => open.alarm_key)).toEqual(["new", "old", "seen", "odd", "warning", "info"]);
  });

  it("show what was counted, words in both languages where they are known, and no ids", () => {
    const evidence = { count: 8, event: "event_1", detail: "", view: "dark", view_zh: "过暗", share: 0.5 };
    expect(evidenceOf(alarm("a", "info", "", { evidence }))).toEqual([
      ["count", { zh: "8", en: "8" }],
      ["view", { zh: "过暗", en: "dark" }],
      ["share", { zh: "0.5", en: "0.5" }],
    ]);
    expect(evidenceOf(alarm("a", "info", ""))).toEqual([]);
  });

  it("are acknowledged by their key, whatever is in it", async () => {
    backend.session = { name: "admin", role: "admin" };
    backend.world.raise(alarm("lane_faulted:山门/1", "warning", ""));
    await acknowledge(backend, "lane_faulted:山门/1", "seen");
    expect(backend.world.snapshot().alarms.map((open) => [open.acknowledged_by, open.note])).toEqual([["admin", "seen"]]);
    await expect(acknowledge(backend, "nothing", "")).rejects.toSatisfy(
      (error) => error instanceof RequestRefused && error.status === 404,
    );
  });
});
