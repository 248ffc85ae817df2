// People sensors on the board: counts at their gates, their age, silence, and answers that do not come.
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import App from "../src/App.vue";
import { backendKey } from "../src/backend";
import { ASK_EVERY_MS } from "../src/data/people";
import { FakeBackend } from "../src/fake/backend";
import { FakeWorld } from "../src/fake/world";
import { i18n, setLanguage } from "../src/i18n";
import { zh } from "../src/locales/zh";

let backend: FakeBackend;
let page: VueWrapper;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  setLanguage("zh");
  backend = new FakeBackend(new FakeWorld(() => Date.now()));
  backend.session = { name: "viewer", role: "viewer" };
  backend.sensors = [
    { name: "north-queue", gate_id: "north", entered: 1_412, left: 390, waiting: 7, heard_at: new Date().toISOString(), silent_s: 1.4 },
    { name: "car-park", gate_id: "", entered: null, left: null, waiting: null, heard_at: null, silent_s: 4 },
  ];
  page = mount(App, { global: { plugins: [i18n], provide: { [backendKey as symbol]: backend } }, attachTo: document.body });
  await flushPromises();
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

it("show their counts and age at their gate, those of no gate before all gates", () => {
  const gate = page.get('[data-testid="gate-north"]');
  expect(gate.get('[data-testid="people-north-queue-entered"]').text()).toBe("1,412");
  expect(text("people-north-queue-left")).toBe("390");
  expect(text("people-north-queue-waiting")).toBe("7");
  expect(text("people-north-queue-age")).toBe("1 秒前");
  expect(text("people-car-park-age")).toBe(zh.people.nothing);
  expect(page.find('[data-testid^="gate-"] [data-testid="people-car-park"]').exists()).toBe(false);
});

it("are asked for again, and tell silence", async () => {
  backend.sensors = backend.sensors.map((sensor) => ({ ...sensor, silent_s: 95 }));
  await next();
  expect(text("people-north-queue-age")).toBe("已 1 分钟无数据");
  expect(page.get('[data-testid="people-north-queue"]').classes("silent")).toBe(true);
});

it("say that counts do not come, and heal", async () => {
  backend.reachable = false;
  await next();
  expect(text("people-north-queue-age")).toBe(zh.people.away);
  backend.reachable = true;
  await next();
  expect(text("people-north-queue-age")).toBe("1 秒前");
});
