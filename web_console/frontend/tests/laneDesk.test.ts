// Staff's orders at one lane, on the stand-in backend.
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import App from "../src/App.vue";
import { backendKey } from "../src/backend";
import { possibleActs, seenBy } from "../src/data/laneDesk";
import { FakeBackend } from "../src/fake/backend";
import { FakeWorld } from "../src/fake/world";
import { i18n, setLanguage } from "../src/i18n";
import { zh } from "../src/locales/zh";
import type { LaneView } from "../src/wire/types.gen";

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

function part(testId: string) {
  return page.get(`[data-testid="${testId}"]`);
}

async function send(): Promise<void> {
  await page.get("dialog form").trigger("submit");
  await flushPromises();
}

it("is offered to those who may order, and nobody else", async () => {
  await open("viewer");
  expect(page.find('[data-testid="lane-north-1-desk"]').exists()).toBe(false);
});

it("sends an order with its reason, and the same order under the same key when no answer came", async () => {
  await open("control_room");
  await part("lane-north-1-desk").trigger("click");
  await part("desk-note").setValue("票丢了");
  backend.reachable = false;
  await send();
  expect(page.get("dialog .fault").text()).toBe(zh.desk.unreachable);
  backend.reachable = true;
  await send();
  await send();
  expect(backend.orders).toHaveLength(2);
  const [first, second] = backend.orders.map((order) => order.split(" "));
  expect(first?.slice(0, 3)).toEqual(["north-1", "admit", '{"note":"票丢了"}']);
  expect(first?.[3]).toMatch(/^[\x20-\x7e]{8,100}$/);
  expect(second?.[3]).not.toBe(first?.[3]); // the first was answered: this is another person
  expect(part("desk-outcome").text()).toBe("已完成");
});

it("shows a test scan rule by rule", async () => {
  await open("admin");
  await part("lane-north-1-desk").trigger("click");
  await part("desk-act-test").setValue(true);
  await part("desk-code").setValue(" SOME CODE ");
  await send();
  expect(backend.orders).toEqual(['north-1 test-scan {"code":"SOME CODE"}']);
  expect(part("desk-outcome").text()).toBe("此票已使用");
  const rows = part("desk-trace").findAll("tr");
  expect(rows.map((row) => row.classes("refuses"))).toEqual([false, true]);
  expect(rows[1]?.text()).toContain("used 1 · allowed 1 · lanes —");
});

it("orders a policy only where a lane has a class of its own", async () => {
  await open("admin");
  expect(possibleActs({ lane_class: "standard" } as LaneView)).not.toContain("policy");
  await part("lane-north-fast-desk").trigger("click");
  await part("desk-act-policy").setValue(true);
  await part("desk-admits-standard").setValue(true);
  await send();
  expect(backend.orders).toEqual(['north-fast policy {"admits":["standard"],"note":""}']);
  expect(page.find('[data-testid="desk-dialog"]').exists()).toBe(false);
});

it("says what a rule saw", () => {
  expect(seenBy({ places: ["a", "b"], zone: "", late: false, until: null })).toBe("places a b · zone — · late false · until —");
});
