// The crowd brain's panel: what it shows, who may steer it, and answers that come too late or not at all.
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import App from "../src/App.vue";
import { backendKey } from "../src/backend";
import { ASK_EVERY_MS } from "../src/data/crowd";
import { FakeBackend } from "../src/fake/backend";
import { FakeWorld } from "../src/fake/world";
import { i18n, setLanguage } from "../src/i18n";
import { en } from "../src/locales/en";
import { zh } from "../src/locales/zh";
import type { CrowdView } from "../src/wire/types.gen";

let backend: FakeBackend;
let page: VueWrapper;

function crowd(): CrowdView {
  const at = new Date().toISOString();
  const words = { reason: { zh: "客人多", en: "Many guests come" }, effect: { zh: "等候变短", en: "The wait gets shorter" } };
  return {
    mode: "confirm",
    at,
    fault: "",
    gates: [
      {
        gate_id: "north", blind: false, age_s: 1, lanes_open: 1, lanes_wanted: 2, queue: 11.6, queue_sd: 2.1, wait_s: 130,
        arriving_per_min: 9, next_quarter: 140, next_quarter_sd: 20, doubted: ["cam"], left_alone: { "north-1": at },
      },
      {
        gate_id: "village", blind: true, age_s: null, lanes_open: 0, lanes_wanted: null, queue: null, queue_sd: null, wait_s: null,
        arriving_per_min: null, next_quarter: null, next_quarter_sd: null,
      },
    ],
    signs: [{ sign_id: "park", name: { zh: "停车场", en: "Car park" }, gate_id: "north", shares: { north: 1 } }],
    proposals: [{ proposal_id: "p1", wish: "open_lane", gate_id: "north", lane_id: "north-2", ...words, since: at }],
    done: [],
    outlook: [{ gate_id: "north", hour: at, p10: 410, p50: 520.4, p90: 640, model: "demand-hour@abc" }],
    models: [
      { use: "arrivals", model: "demand-hour@abc", drift: 1.32, threshold: 1, looks: 90, drifted: true },
      { use: "scans", model: "", drift: null, threshold: 4, looks: 0 },
    ],
  };
}

async function open(role: string, view: CrowdView | null): Promise<void> {
  backend = new FakeBackend(new FakeWorld(() => Date.now()));
  backend.session = { name: role, role };
  backend.crowd = view;
  page = mount(App, { global: { plugins: [i18n], provide: { [backendKey as symbol]: backend } }, attachTo: document.body });
  await flushPromises();
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  setLanguage("zh");
});

afterEach(() => {
  page.unmount();
  vi.useRealTimers();
});

function text(testId: string): string {
  return page.get(`[data-testid="${testId}"]`).text();
}

async function next(): Promise<void> {
  await vi.advanceTimersByTimeAsync(ASK_EVERY_MS);
  await flushPromises();
}

it("shows queues with how sure they are, what nobody knows, signs and the reason of a proposal", async () => {
  await open("control_room", crowd());
  expect(text("crowd-gate-north")).toContain("等候约 3 分钟");
  expect(text("crowd-gate-north")).toContain("排队 12 ± 3 人");
  expect(text("crowd-gate-north")).toContain("cam");
  expect(text("crowd-gate-north")).toContain("520 人 (410–640)");
  expect(text("crowd-gate-village")).toContain(zh.crowd.gate.blind);
  expect(text("crowd-model-arrivals")).toContain(`漂移 1.32（阈值 1） ${zh.crowd.models.drifted.arrivals}`);
  expect(text("crowd-model-scans")).toContain(zh.crowd.models.none);
  expect(text("crowd-sign-park")).toContain("停车场");
  expect(text("crowd-proposal-open_lane-north-2")).toContain("客人多");
  setLanguage("en");
  await flushPromises();
  expect(text("crowd-proposal-open_lane-north-2")).toContain("Many guests come");
});

it("accepts once and shows what was done by whom", async () => {
  await open("control_room", crowd());
  await page.get('[data-testid="crowd-accept"]').trigger("click");
  await flushPromises();
  expect(backend.orders).toEqual(["p1 accept"]);
  expect(page.find('[data-testid="crowd-proposal-open_lane-north-2"]').exists()).toBe(false);
  expect(text("crowd-act-open_lane-north-2")).toContain("control_room");
});

it("says that a proposal is over when it went meanwhile", async () => {
  await open("control_room", crowd());
  backend.crowd = { ...crowd(), proposals: [] };
  await page.get('[data-testid="crowd-decline"]').trigger("click");
  await flushPromises();
  expect(text("crowd")).toContain(zh.crowd.over);
});

it("changes its mode, and in advise nothing can be accepted", async () => {
  await open("admin", crowd());
  await page.get('[data-testid="crowd-mode-advise"]').trigger("click");
  await flushPromises();
  expect(backend.crowd?.mode).toBe("advise");
  expect(page.get('[data-testid="crowd-mode-advise"]').attributes("aria-checked")).toBe("true");
  expect(page.find('[data-testid="crowd-accept"]').exists()).toBe(false);
});

it("lets viewers look only, and tells when it cannot judge or does not answer", async () => {
  await open("viewer", { ...crowd(), fault: "It cannot think." });
  expect(page.find('[data-testid="crowd-mode-advise"]').exists()).toBe(false);
  expect(page.find('[data-testid="crowd-accept"]').exists()).toBe(false);
  expect(text("crowd-fault")).toContain(zh.crowd.blind);
  backend.crowd = null;
  await next();
  expect(text("crowd")).toContain(zh.crowd.away);
  setLanguage("en");
  await flushPromises();
  expect(text("crowd")).toContain(en.crowd.away);
});

it("is not there where a resort has none", async () => {
  await open("admin", null);
  expect(page.find('[data-testid="crowd"]').exists()).toBe(false);
});

it("shows areas with how full they are, and what nobody counts", async () => {
  const hall = { area_id: "hall", name: { zh: "大厅", en: "Hall" }, limit: 200 };
  const known = { level: "filling" as const, persons: 163, persons_sd: 2.2, per_min: 12.4, full_in_s: 178 };
  const areas = [{ ...hall, ...known }, { ...hall, area_id: "roof", level: "calm" as const, persons: null, persons_sd: null, per_min: null, full_in_s: null }];
  await open("viewer", { ...crowd(), areas });
  expect(text("crowd-area-hall")).toContain("163 ± 3 人，上限 200 · 每分钟 +12 人 · 约 3 分钟后满员");
  expect(text("crowd-area-hall")).toContain(zh.crowd.area.level.filling);
  expect(text("crowd-area-roof")).toContain(zh.crowd.area.unknown);
});

it("lets the control room say what a display names, and others only read it", async () => {
  const [sign] = crowd().signs;
  const signs = [{ ...sign, display: "shows" as const, names: "north", ordered_until: null } as CrowdView["signs"][number]];
  await open("control_room", { ...crowd(), signs });
  expect(text("crowd-sign-park")).toContain("指示屏引导至");
  const choice = page.get('[data-testid="crowd-sign-park-order"]');
  await choice.setValue("village");
  await flushPromises();
  expect(backend.orders).toEqual(["park village"]);
  expect(text("crowd-sign-park")).toContain("人工指定至");
  await page.get('[data-testid="crowd-sign-park-order"]').setValue("-");
  await flushPromises();
  expect(backend.orders.at(-1)).toBe("park as advised");
  page.unmount();
  await open("viewer", { ...crowd(), signs });
  expect(page.find('[data-testid="crowd-sign-park-order"]').exists()).toBe(false);
});
