// The page's language: Chinese or English, the browser's first, the reader's choice from then on.
import { shallowRef } from "vue";
import { createI18n, useI18n } from "vue-i18n";

import { en } from "./locales/en";
import { zh } from "./locales/zh";
import { remember, remembered } from "./remembered";
import type { Text } from "./wire/types.gen";

export type Words = typeof zh;
export type Language = "zh" | "en";

const KEY = "snowgate.language";

const HTML_LANGUAGE: Record<Language, string> = { zh: "zh-CN", en: "en" };

export function firstLanguage(): Language {
  const chosen = remembered(KEY);
  if (chosen === "zh" || chosen === "en") return chosen;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export const i18n = createI18n<[Words], Language, false>({
  legacy: false,
  locale: firstLanguage(),
  fallbackLocale: "zh",
  messages: { zh, en },
});

/** The site's zone, in which times of day are said wherever the page is read; undefined: this machine's. */
const siteZone = shallowRef<string | undefined>(undefined);

/** Say times in this zone from now on; one that this browser does not know is ignored. */
export function setTimeZone(zone: string): void {
  if (zone === siteZone.value) return;
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
  } catch {
    return;
  }
  siteZone.value = zone;
}

/** Change the language now and remember it. */
export function setLanguage(language: Language): void {
  i18n.global.locale.value = language;
  remember(KEY, language);
  markDocument();
}

/** Tell the browser and screen readers which language the page is in. */
export function markDocument(): void {
  document.documentElement.lang = HTML_LANGUAGE[i18n.global.locale.value];
}

export interface Speech {
  readonly t: ReturnType<typeof useI18n<{ message: Words }, Language>>["t"];
  readonly te: (key: string) => boolean;
  /** A server text in the page's language. */
  said(text: Text): string;
  /** How long ago, as people say it; older than an hour, the time of day. */
  ago(at: string, nowMs: number): string;
  /** A length of time, as people say it. */
  span(ms: number): string;
  /** A whole number with the language's grouping. */
  figure(value: number): string;
  timeOfDay(ms: number, withSeconds?: boolean): string;
  day(ms: number): string;
  /** A day of the site's calendar, such as 2027-01-08. */
  dayOf(date: string): string;
}

/** The zone as an option, present only when there is one. */
function zoned(): { timeZone?: string } {
  return siteZone.value === undefined ? {} : { timeZone: siteZone.value };
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const JUST_NOW_MS = 3_000;

/** The words, and ways to say times and figures, for a component. */
export function useSpeech(): Speech {
  const { t, te, locale } = useI18n<{ message: Words }, Language>();
  const tag = (): string => HTML_LANGUAGE[locale.value];
  const timeOfDay = (ms: number, withSeconds = false): string =>
    new Intl.DateTimeFormat(tag(), {
      hour: "2-digit",
      minute: "2-digit",
      ...(withSeconds ? { second: "2-digit" } : {}),
      hourCycle: "h23",
      ...zoned(),
    }).format(ms);
  return {
    t,
    te: (key) => te(key),
    said: (text) => text[locale.value],
    ago(at, nowMs) {
      const ms = Math.max(0, nowMs - Date.parse(at));
      if (ms < JUST_NOW_MS) return t("ago.now");
      if (ms < MINUTE_MS) return t("ago.seconds", { n: Math.floor(ms / 1_000) });
      if (ms < HOUR_MS) return t("ago.minutes", { n: Math.floor(ms / MINUTE_MS) });
      return t("ago.at", { time: timeOfDay(Date.parse(at)) });
    },
    span(ms) {
      if (ms < MINUTE_MS) return t("span.seconds", { n: Math.max(0, Math.floor(ms / 1_000)) });
      return t("span.minutes", { n: Math.floor(ms / MINUTE_MS) });
    },
    figure: (value) => new Intl.NumberFormat(tag()).format(value),
    timeOfDay,
    dayOf: (date) =>
      new Intl.DateTimeFormat(tag(), { year: "numeric", month: "short", day: "numeric", timeZone: "UTC" }).format(Date.parse(`${date}T00:00:00Z`)),
    day: (ms) => new Intl.DateTimeFormat(tag(), { month: "short", day: "numeric", weekday: "short", ...zoned() }).format(ms),
  };
}
