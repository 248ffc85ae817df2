// Starts the console on the real server, or on the stand-in with `npm run dev:fake`.
import "./styles/tokens.css";
import "./styles/base.css";

import { createApp } from "vue";

import App from "./App.vue";
import { type Backend, backendKey, HttpBackend } from "./backend";
import { i18n, markDocument } from "./i18n";
import { applyTheme } from "./theme";

async function chooseBackend(): Promise<Backend> {
  if (import.meta.env.MODE !== "fake") return new HttpBackend();
  const { FakeBackend } = await import("./fake/backend");
  return FakeBackend.fromAddress(window.location);
}

applyTheme();
markDocument();
createApp(App)
  .use(i18n)
  .provide(backendKey, await chooseBackend())
  .mount("#app");
