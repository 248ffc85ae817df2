// The whole page on the stand-in backend.
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import App from "../src/App.vue";
import { backendKey } from "../src/backend";
import { STALE_AFTER_MS } from "../src/connection";
import { FakeBackend, PASSWORD } from "../src/fake/backend";
import { FakeWorld } from "../src/fake/world";
import { i18n, setLanguage } from "../src/i18n";
import { en } from "../src/locales/en";
import { zh } from "../src/locales/zh";

let backend: FakeBackend;
let page: VueWrapper;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  vi.setSystemTime(Date.UTC(2026, 11, 1, 8));
  setLanguage("zh");
  backend = new FakeBackend(new FakeWorld(() => Date.now()));
});

afterEach(() => {
  page.unmount();
  vi.useRealTimers();
});

async function open(role: string | null): Promise<void> {
  backend.session = role === null ? null : { name: role, role };
  page = mount(App, { global: { plugins: [i18n], provide: { [backendKey as symbol]: backend } }, attachTo: document.body });
  await flushPromises();
}

function text(testId: string): string {
  return page.get(`[data-testid="${testId}"]`).text();
}

function has(testId: string): boolean {
  return page.find(`[data-testid="${testId}"]`).exists();
}

async function news(): Promise<void> {
  backend.broadcast();
  await flushPromises();
}

describe("signing in", () => {
  it("asks for a name, tells a wrong password, and opens the room with the right one", async () => {
    await open(null);
    await page.get('[data-testid="sign-in-name"]').setValue("admin");
    await page.get('[data-testid="sign-in-password"]').setValue("wrong");
    await page.get("form").trigger("submit");
    await flushPromises();
    expect(text("sign-in-fault")).toBe(zh.signIn.wrong);
    await page.get('[data-testid="sign-in-password"]').setValue(PASSWORD);
    await page.get("form").trigger("submit");
    await flushPromises();
    expect(text("connection")).toBe(zh.link.connected);
    expect(has("lane-village-fast")).toBe(true);
  });

  it("comes back when the session ends under way", async () => {
    await open("admin");
    backend.session = null;
    backend.sockets.at(-1)?.hangUp();
    await flushPromises();
    expect(has("sign-in-name")).toBe(true);
  });

  it("waits for a server that is away", async () => {
    backend.reachable = false;
    await open("admin");
    expect(page.text()).toBe(zh.waitingUnreachable);
    backend.reachable = true;
    await vi.advanceTimersByTimeAsync(2_000);
    await flushPromises();
    expect(has("lane-village-1")).toBe(true);
  });
});

describe("a lane", () => {
  it("shows state, figures and the last decision in words as soon as the frame is there", async () => {
    await open("admin");
    backend.world.refuse("north-1", 0);
    backend.world.change("north-1", { state: "faulted", detail: { zh: "转臂卡住", en: "the arm is stuck" }, passages: 1_234, passages_per_minute: 9, queue: 3 });
    await news();
    expect(text("lane-north-1-state")).toBe(zh.lane.state.faulted);
    expect(text("lane-north-1-last")).toContain("此票已使用");
    expect(text("lane-north-1-last")).toContain(zh.ago.now);
    expect(text("lane-north-1")).toContain("转臂卡住");
    expect(text("lane-north-1-passages")).toBe("1,234");
    expect(text("lane-north-1-per-minute")).toBe("9");
    expect(text("lane-north-1-queue")).toBe("3");
    await vi.advanceTimersByTimeAsync(12_000 - 1);
    expect(text("lane-north-1-last")).toContain("11 秒前");
  });

  it("tells staff what to look at as the guest passes", async () => {
    await open("viewer");
    const last = { at: new Date().toISOString(), admitted: true, reason: "admitted", text: { zh: "请通行", en: "Go" } };
    backend.world.change("north-1", { last: { ...last, attention: ["photo", "wristband"] } });
    await news();
    expect(text("lane-north-1-attention")).toBe(`${zh.lane.attention.photo} · wristband`);
    const height = { zh: "身高 120 至 150 厘米", en: "120 to 150 cm" };
    backend.world.change("north-1", { last: { ...last, attention: ["height"], height } });
    await news();
    expect(text("lane-north-1-attention")).toBe(`${zh.lane.attention.height} · ${height.zh}`);
    backend.world.change("north-1", { last });
    await news();
    expect(has("lane-north-1-attention")).toBe(false);
  });

  it("speaks the reader's language and remembers it", async () => {
    await open("admin");
    backend.world.refuse("north-1", 0);
    await news();
    await page.get('[data-testid="language"]').trigger("click");
    expect(text("gate-north")).toContain("North gate");
    expect(text("lane-north-1-last")).toContain("This ticket has already been used");
    expect(text("lane-north-1-state")).toBe(en.lane.state.ready);
    expect(document.documentElement.lang).toBe("en");
    expect(localStorage.getItem("snowgate.language")).toBe("en");
  });
});

describe("an order to a lane", () => {
  it("is sent only after the question is answered", async () => {
    await open("control_room");
    await page.get('[data-testid="lane-north-1-order"]').trigger("click");
    expect(backend.orders).toEqual([]);
    await page.get('[data-testid="order-cancel"]').trigger("click");
    expect(backend.orders).toEqual([]);
    await page.get('[data-testid="lane-north-1-order"]').trigger("click");
    await page.get('[data-testid="order-confirm"]').trigger("click");
    await flushPromises();
    expect(backend.orders).toEqual(["north-1 closed"]);
    expect(has("order-dialog")).toBe(false);
    await news();
    expect(text("lane-north-1-state")).toBe(zh.lane.state.closed);
  });

  it("that does not arrive is told where it was given", async () => {
    await open("control_room");
    await page.get('[data-testid="lane-north-1-order"]').trigger("click");
    backend.reachable = false;
    await page.get('[data-testid="order-confirm"]').trigger("click");
    await flushPromises();
    expect(text("order-dialog")).toContain(zh.order.unreachable);
  });

  it("is not offered to other roles", async () => {
    await open("cashier");
    expect(has("lane-north-1")).toBe(true);
    expect(has("lane-north-1-order")).toBe(false);
  });
});

describe("staleness", () => {
  it("marks every live figure, says since when, and goes with the next frame", async () => {
    await open("admin");
    backend.silent = true;
    await vi.advanceTimersByTimeAsync(STALE_AFTER_MS + 1_000);
    expect(page.get('[data-testid="connection"]').attributes("data-stale")).toBe("true");
    expect(text("connection")).toContain("4 秒");
    expect(has("stale-banner")).toBe(true);
    expect(page.findAll('li[data-testid^="lane-"]').every((lane) => lane.classes("stale"))).toBe(true);
    backend.silent = false;
    await news();
    expect(page.get('[data-testid="connection"]').attributes("data-stale")).toBe("false");
    expect(has("stale-banner")).toBe(false);
  });

  it("heals a missed frame by a fresh snapshot", async () => {
    await open("admin");
    backend.world.pass("north-1");
    backend.world.news(); // lost on the way
    backend.world.pass("north-1");
    await news();
    expect(page.get('[data-testid="connection"]').attributes("data-state")).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(250);
    await flushPromises();
    expect(page.get('[data-testid="connection"]').attributes("data-state")).toBe("connected");
    expect(text("lane-north-1-passages")).toBe(String(backend.world.lane("north-1").passages));
    expect(backend.sockets).toHaveLength(2);
  });
});

describe("alarms", () => {
  const KEY = "forced_arm:north-1";

  async function raised(): Promise<void> {
    backend.world.raise({
      alarm_key: KEY,
      severity: "critical",
      gate_id: "north",
      lane_id: "north-1",
      text: { zh: "转臂被强行通过", en: "The locked arm was forced" },
      evidence: { count: 2, threshold: 1, window_s: 60, event: "event_7" },
    });
    await news();
  }

  it("show severity, place, words, evidence and since when, and are counted", async () => {
    await open("admin");
    expect(text("alarms")).toContain(zh.alarms.none);
    await raised();
    const alarm = text(`alarm-${KEY}`);
    for (const part of [zh.alarms.severity.critical, "北坡 · 1 号", "转臂被强行通过", `${zh.alarms.evidence.count}2`]) {
      expect(alarm).toContain(part);
    }
    expect(alarm).not.toContain("event_7");
    expect(text("total-alarms")).toBe("1");
    expect(document.title).toBe("(1) 雪门示范雪场 · Snowgate");
    await page.get('[data-testid="language"]').trigger("click");
    expect(text(`alarm-${KEY}`)).toContain("The locked arm was forced");
    expect(text(`alarm-${KEY}`)).toContain(en.alarms.evidence.window_s);
  });

  it("are acknowledged with a note, by keyboard, and then say by whom", async () => {
    await open("control_room");
    await raised();
    const button = page.get(`[data-testid="alarm-${KEY}-acknowledge"]`);
    expect(button.attributes("aria-label")).toContain("北坡 · 1 号 · 转臂被强行通过");
    await button.trigger("click");
    expect(text("acknowledge-dialog")).toContain("北坡 · 1 号");
    await page.get('[data-testid="acknowledge-note"]').setValue(" 已派人前往 ");
    await page.get('[data-testid="acknowledge-dialog"] form').trigger("submit"); // what Enter does in the note
    await flushPromises();
    expect(has("acknowledge-dialog")).toBe(false);
    await news();
    const seen = text(`alarm-${KEY}-seen`);
    expect(seen).toContain("control_room");
    expect(seen).toContain("16:00"); // at the site: eight o'clock in UTC
    expect(seen).toContain("已派人前往");
    expect(has(`alarm-${KEY}-acknowledge`)).toBe(false);
    expect(text("total-alarms")).toBe("1");
  });

  it("stay as they are when the question is not answered", async () => {
    await open("control_room");
    await raised();
    await page.get(`[data-testid="alarm-${KEY}-acknowledge"]`).trigger("click");
    await page.get('[data-testid="acknowledge-cancel"]').trigger("click");
    await news();
    expect(has("acknowledge-dialog")).toBe(false);
    expect(has(`alarm-${KEY}-acknowledge`)).toBe(true);
  });

  it("that are over or cannot be told are told as such", async () => {
    await open("control_room");
    await raised();
    await page.get(`[data-testid="alarm-${KEY}-acknowledge"]`).trigger("click");
    backend.reachable = false;
    await page.get('[data-testid="acknowledge-dialog"] form').trigger("submit");
    await flushPromises();
    expect(text("acknowledge-dialog")).toContain(zh.acknowledge.unreachable);
    backend.reachable = true;
    backend.world.clear(KEY);
    await page.get('[data-testid="acknowledge-dialog"] form').trigger("submit");
    await flushPromises();
    expect(text("acknowledge-dialog")).toContain(zh.acknowledge.over);
  });

  it("can be acknowledged by no other role", async () => {
    await open("cashier");
    await raised();
    expect(has(`alarm-${KEY}`)).toBe(true);
    expect(has(`alarm-${KEY}-acknowledge`)).toBe(false);
  });
});

it("tells the time of the site, wherever it is read", async () => {
  await open("admin");
  expect(page.get(".clock time").text()).toBe("16:00:00");
});
