// Light, dark, or whatever the machine is set to.
import { ref } from "vue";

import { remember, remembered } from "./remembered";

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "snowgate.theme";

export const theme = ref<Theme>(THEMES.find((name) => name === remembered(KEY)) ?? "auto");

export function setTheme(next: Theme): void {
  theme.value = next;
  remember(KEY, next);
  applyTheme();
}

/** The next choice of the switch: auto, light, dark and around. */
export function nextTheme(): Theme {
  return THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "auto";
}

export function applyTheme(): void {
  if (theme.value === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
}
