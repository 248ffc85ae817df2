// Faces of tickets on the stand-in backend: what is shown before, what is sent, and that the picture goes.
import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import App from "../src/App.vue";
import { backendKey } from "../src/backend";
import { isPicture, PICTURE_LIMIT } from "../src/data/faces";
import { FAKE_TICKET, FakeBackend } from "../src/fake/backend";
import { FakeWorld } from "../src/fake/world";
import { i18n, setLanguage } from "../src/i18n";
import { en } from "../src/locales/en";
import { zh } from "../src/locales/zh";

let backend: FakeBackend;
let page: VueWrapper;

beforeEach(() => {
  setLanguage("zh");
  backend = new FakeBackend(new FakeWorld(() => Date.now()));
  vi.stubGlobal("createImageBitmap", () => Promise.resolve({ width: 2, height: 2, close: () => undefined }));
});

afterEach(() => {
  page.unmount();
  vi.unstubAllGlobals();
});

function part(testId: string) {
  return page.get(`[data-testid="${testId}"]`);
}

function has(testId: string): boolean {
  return page.find(`[data-testid="${testId}"]`).exists();
}

async function open(role: string): Promise<void> {
  backend.session = { name: role, role };
  page = mount(App, { global: { plugins: [i18n], provide: { [backendKey as symbol]: backend } }, attachTo: document.body });
  await flushPromises();
}

async function find(text: string = FAKE_TICKET): Promise<void> {
  await part("faces").trigger("click");
  await part("faces-ticket").setValue(text);
  await part("faces-dialog").get("form").trigger("submit");
  await flushPromises();
}

async function choose(file: File): Promise<void> {
  const input = part("faces-file");
  Object.defineProperty(input.element, "files", { value: [file], configurable: true });
  await input.trigger("change");
  await flushPromises();
}

const GOOD = new File(["good"], "holiday.jpg", { type: "image/jpeg" });

async function enrol(file: File): Promise<void> {
  await part("faces-age-14_or_over").setValue(true);
  await part("faces-agreed").setValue(true);
  await choose(file);
  await part("faces-dialog").get("form").trigger("submit");
  await flushPromises();
}

it("is offered to those who may enrol, and nobody else", async () => {
  await open("viewer");
  expect(has("faces")).toBe(false);
  page.unmount();
  await open("cashier");
  expect(has("faces")).toBe(true);
});

it("tells a ticket that there is not, and finds one by its code, which is in no address", async () => {
  await open("cashier");
  await find("nobody");
  expect(part("faces-fault").text()).toBe(zh.faces.notFound);
  await part("faces-ticket").setValue("THE-CODE");
  (part("faces-ticket").element as HTMLElement).focus();
  await part("faces-dialog").get("form").trigger("submit");
  await flushPromises();
  expect(part("faces-which").text()).toBe(FAKE_TICKET);
  expect(document.activeElement?.id).toBe("faces-which");
  expect(part("faces-state").text()).toBe(zh.faces.state.no);
  expect(backend.orders.join()).not.toContain("THE-CODE");
});

it("shows the words in both languages, and wants them agreed to before a picture is taken", async () => {
  await open("cashier");
  await find();
  expect(part("faces-wording").text()).toContain("完全自愿");
  expect(part("faces-wording").text()).toContain("entirely voluntary");
  expect(part("faces-camera").attributes("disabled")).toBeDefined();
  expect(part("faces-file").attributes("disabled")).toBeDefined();
});

it("lets only a guardian agree for somebody under 14, and asks anew when another person agrees", async () => {
  await open("cashier");
  await find();
  await part("faces-agreed").setValue(true);
  await part("faces-age-under_14").setValue(true);
  expect((part("faces-by-guardian").element as HTMLInputElement).checked).toBe(true);
  expect(part("faces-by-holder").attributes("disabled")).toBeDefined();
  expect((part("faces-agreed").element as HTMLInputElement).checked).toBe(false);
  expect(part("faces-wording").text()).toContain("a guardian");
});

it("enrols, says so, and keeps nothing of the picture", async () => {
  await open("cashier");
  await find();
  await enrol(GOOD);
  expect(backend.orders).toEqual([`${FAKE_TICKET} enrol wording=2026-11&given_by=holder&age=14_or_over&origin=upload image/jpeg`]);
  expect(part("faces-state").text()).toBe(zh.faces.state.yes);
  expect(part("faces-done").text()).toBe(zh.faces.enrolled);
  expect(page.find("canvas").exists()).toBe(false);
  expect(page.find("img").exists()).toBe(false);
  await part("faces-another").trigger("click");
  await flushPromises();
  expect(document.activeElement?.id).toBe("faces-ticket");
});

it("says what to do better in the reader's words, and lets the picture go", async () => {
  await open("cashier");
  await find();
  await enrol(new File(["dark"], "dark.jpg", { type: "image/jpeg" }));
  expect(part("faces-advice").text()).toContain("脸部太暗");
  await page.get('[data-testid="language"]').trigger("click");
  expect(part("faces-advice").text()).toContain("too dark");
  expect(part("faces-advice").text()).toContain(en.faces.advice);
  expect(part("faces-state").text()).toBe(en.faces.state.no);
  expect(has("faces-preview")).toBe(false);
  expect(part("faces-enrol").attributes("disabled")).toBeDefined();
});

it("refuses what is no picture before it is sent", async () => {
  await open("cashier");
  await find();
  await part("faces-age-14_or_over").setValue(true);
  await part("faces-agreed").setValue(true);
  await choose(new File(["%PDF"], "ticket.pdf", { type: "application/pdf" }));
  expect(part("faces-trouble").text()).toBe(zh.faces.notPicture);
  expect(isPicture(new Blob([new Uint8Array(PICTURE_LIMIT + 1)], { type: "image/png" }))).toBe(false);
  expect(backend.orders).toEqual([]);
});

it("says when the camera cannot be used, and stops one that was", async () => {
  const track = { stop: vi.fn() };
  const getUserMedia = vi.fn().mockRejectedValueOnce(new Error("denied")).mockResolvedValue({ getTracks: () => [track] });
  vi.stubGlobal("navigator", Object.create(navigator, { mediaDevices: { value: { getUserMedia } } }));
  await open("cashier");
  await find();
  await part("faces-agreed").setValue(true);
  await part("faces-camera").trigger("click");
  await flushPromises();
  expect(part("faces-trouble").text()).toBe(zh.faces.noCamera);
  await part("faces-camera").trigger("click");
  await flushPromises();
  expect(has("faces-shoot")).toBe(true);
  page.unmount();
  expect(track.stop).toHaveBeenCalledOnce();
  await open("cashier");
});

it("deletes after the reason was asked for", async () => {
  await open("cashier");
  await find();
  await enrol(GOOD);
  await part("faces-forget").trigger("click");
  expect(backend.orders).toHaveLength(1);
  await part("faces-forget-requested").setValue(true);
  await part("faces-forget-sure").trigger("submit");
  await flushPromises();
  expect(backend.orders[1]).toBe(`${FAKE_TICKET} forget reason=requested`);
  expect(part("faces-state").text()).toBe(zh.faces.state.no);
  expect(part("faces-done").text()).toBe(zh.faces.forgotten);
});
