// Looks of staff on the stand-in backend: when one is offered, what is asked for, and that pictures go.
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import App from "../src/App.vue";
import { backendKey } from "../src/backend";
import { openLook, secondsLeft } from "../src/data/looks";
import { FakeBackend } from "../src/fake/backend";
import { FakeWorld } from "../src/fake/world";
import { i18n, setLanguage } from "../src/i18n";
import { zh } from "../src/locales/zh";
import type { LaneView } from "../src/wire/types.gen";

const LOOK_MS = 20_000;
const UNSURE = { zh: "请稍候, 工作人员正在确认", en: "One moment, please; our staff will have a look" };
let backend: FakeBackend;
let page: VueWrapper;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  setLanguage("zh");
  backend = new FakeBackend(new FakeWorld(() => Date.now()));
});

afterEach(() => {
  page.unmount();
  vi.useRealTimers();
});

async function open(role: string): Promise<void> {
  backend.session = { name: role, role };
  page = mount(App, { global: { plugins: [i18n], provide: { [backendKey as symbol]: backend } }, attachTo: document.body });
  await flushPromises();
}

async function unsure(): Promise<void> {
  const look = { scan_id: "scan_1", until: new Date(Date.now() + LOOK_MS).toISOString(), score: 0.35 };
  const last = { at: new Date().toISOString(), admitted: false, reason: "face_unsure", text: UNSURE, look };
  backend.world.change("north-1", { last });
  backend.broadcast();
  await flushPromises();
}

function part(testId: string) {
  return page.get(`[data-testid="${testId}"]`);
}

it("is offered to those who may let people in, and nobody else", async () => {
  await open("viewer");
  await unsure();
  expect(page.find('[data-testid="lane-north-1-look"]').exists()).toBe(false);
});

it("asks for the pictures only when somebody wants to see them", async () => {
  await open("control_room");
  await unsure();
  expect(backend.orders).toEqual([]);
  await part("lane-north-1-look").trigger("click");
  await flushPromises();
  expect(backend.orders).toEqual(["north-1 view"]);
  expect(page.findAll('[data-testid="look-dialog"] figure')).toHaveLength(2);
});

it("sends what staff say, once, and closes", async () => {
  await open("control_room");
  await unsure();
  await part("lane-north-1-look").trigger("click");
  await flushPromises();
  await part("look-confirm").trigger("click");
  await flushPromises();
  expect(backend.orders[1]).toMatch(/^north-1 confirm \S+$/);
  expect(page.find('[data-testid="look-dialog"]').exists()).toBe(false);
});

it("takes the pictures away when the time is up", async () => {
  await open("control_room");
  await unsure();
  await part("lane-north-1-look").trigger("click");
  await flushPromises();
  await vi.advanceTimersByTimeAsync(LOOK_MS + 1_500);
  await flushPromises();
  expect(page.findAll('[data-testid="look-dialog"] figure')).toHaveLength(0);
  expect(part("look-dialog").text()).toContain(zh.look.over);
  expect(part("look-confirm").attributes("disabled")).toBeDefined();
});

it("knows an open look from one that is over", () => {
  const look = { scan_id: "s", until: "2026-12-05T09:00:20Z" };
  const lane = { last: { look } } as unknown as LaneView;
  expect(openLook(lane, Date.parse("2026-12-05T09:00:19Z"))).toEqual(look);
  expect(openLook(lane, Date.parse("2026-12-05T09:00:20Z"))).toBeNull();
  expect(secondsLeft(look, Date.parse("2026-12-05T09:00:18.500Z"))).toBe(2);
});
