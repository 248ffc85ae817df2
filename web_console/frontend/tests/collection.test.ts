import { beforeEach, describe, expect, it } from "vitest";

import { applyFrame, isFeedFrame, type SiteState } from "../src/collection";
import { FakeWorld } from "../src/fake/world";
import type { Delta, LaneView } from "../src/wire/types.gen";

let world: FakeWorld;
let site: SiteState;

beforeEach(() => {
  world = new FakeWorld(() => Date.UTC(2026, 11, 1, 8));
  site = { version: null, name: null, gates: new Map(), lanes: new Map(), alarms: [] };
});

function delta(): Delta {
  const news = world.news();
  if (news.type !== "delta") throw new Error("Nothing changed.");
  return news;
}

describe("a snapshot", () => {
  it("brings everything in the site's order", () => {
    expect(applyFrame(site, world.snapshot())).toBe("applied");
    expect([...site.gates.keys()]).toEqual(["village", "north", "summit"]);
    expect([...site.lanes.keys()]).toEqual(world.laneIds);
    expect(site.name).toEqual({ zh: "雪门示范雪场", en: "Snowgate Demo Resort" });
    expect(site.version).toBe(1);
  });

  it("replaces what was there, also with an older version and fewer lanes", () => {
    applyFrame(site, { ...world.snapshot(), version: 500 });
    const fewer = world.snapshot();
    expect(applyFrame(site, { ...fewer, version: 2, lanes: fewer.lanes.slice(0, 1) })).toBe("applied");
    expect([...site.lanes.keys()]).toEqual([world.laneIds[0]]);
    expect(site.version).toBe(2);
  });
});

describe("a delta", () => {
  it("changes the lanes and gates it names and no others", () => {
    applyFrame(site, world.snapshot());
    const before = new Map<string, LaneView>(site.lanes);
    world.pass("north-1");
    expect(applyFrame(site, delta())).toBe("applied");
    expect(site.lanes.get("north-1")?.passages).toBe((before.get("north-1")?.passages ?? 0) + 1);
    for (const [laneId, lane] of before) if (laneId !== "north-1") expect(site.lanes.get(laneId)).toBe(lane);
    expect(site.version).toBe(2);
  });

  it("leaves the alarms alone unless it carries them", () => {
    const alarm = { alarm_key: "a", severity: "critical", gate_id: "north", lane_id: "north-1", text: { zh: "甲", en: "A" } };
    world.raise(alarm);
    applyFrame(site, world.snapshot());
    world.news();
    applyFrame(site, { ...world.snapshot(), version: 2 });
    world.pass("north-1");
    expect(applyFrame(site, delta())).toBe("applied");
    expect(site.alarms.map((open) => open.alarm_key)).toEqual(["a"]);
    expect(applyFrame(site, { type: "delta", since: 3, version: 4, at: "", gates: [], lanes: [], alarms: [] })).toBe("applied");
    expect(site.alarms).toEqual([]);
  });

  it("is a gap when something between is missing, and changes nothing", () => {
    applyFrame(site, world.snapshot());
    world.pass("north-1");
    world.news();
    world.pass("north-1");
    const before = site.lanes.get("north-1");
    expect(applyFrame(site, delta())).toBe("gap");
    expect(site.lanes.get("north-1")).toBe(before);
    expect(site.version).toBe(1);
  });

  it("is a gap before the first snapshot", () => {
    world.pass("north-1");
    expect(applyFrame(site, delta())).toBe("gap");
  });

  it("is ignored when it tells nothing new, so that no count goes back", () => {
    world.pass("north-1");
    const old = delta();
    world.pass("north-1");
    world.news();
    applyFrame(site, world.snapshot());
    expect(applyFrame(site, old)).toBe("ignored");
    expect(site.lanes.get("north-1")).toEqual(world.lane("north-1"));
  });

  it("is taken in when it begins before what is known but ends after it", () => {
    applyFrame(site, { ...world.snapshot(), version: 5 });
    expect(applyFrame(site, { type: "delta", since: 3, version: 6, at: "", gates: [], lanes: [], alarms: null })).toBe("applied");
    expect(site.version).toBe(6);
  });
});

describe("a heartbeat", () => {
  it.each([
    [1, "applied"],
    [2, "gap"],
    [0, "gap"],
  ])("at version %i, when 1 is known, is %s", (version, taken) => {
    applyFrame(site, world.snapshot());
    expect(applyFrame(site, { type: "heartbeat", version, at: "" })).toBe(taken);
  });
});

describe("the shape of a frame", () => {
  it("is recognised in every kind", () => {
    expect(isFeedFrame(world.snapshot())).toBe(true);
    expect(isFeedFrame(world.news())).toBe(true);
    world.pass("north-1");
    expect(isFeedFrame(world.news())).toBe(true);
  });

  it.each([
    null,
    7,
    "snapshot",
    [],
    {},
    { type: "heartbeat", version: "1", at: "" },
    { type: "other", version: 1, at: "" },
    { type: "snapshot", version: 1, at: "", site: {}, gates: [], lanes: [] },
    { type: "delta", version: 1, at: "", gates: [], lanes: [], alarms: null },
    { type: "delta", since: 0, version: 1, at: "", gates: [], lanes: [], alarms: 3 },
  ])("is denied to %j", (value) => {
    expect(isFeedFrame(value)).toBe(false);
  });
});
