// Ties the feed to Vue: one connection, one reactive site, one status. Pages read; only this file writes.
import { type InjectionKey, type ShallowRef, shallowReactive, shallowRef } from "vue";

import type { Backend } from "./backend";
import { serverClock } from "./clock";
import { applyFrame, type SiteState } from "./collection";
import { FeedConnection, type LinkStatus, type Surroundings } from "./connection";
import { currentSession } from "./data/session";
import { setTimeZone } from "./i18n";

export interface LiveFeed {
  readonly site: SiteState;
  readonly link: Readonly<ShallowRef<LinkStatus>>;
  start(): void;
  stop(): void;
}

export const feedKey: InjectionKey<LiveFeed> = Symbol("feed");

/** A feed that is not started yet. `onSignedOut` is called when the session turns out to have ended. */
export function createFeed(backend: Backend, onSignedOut: () => void, world = browser(backend)): LiveFeed {
  const site = emptySite();
  const connection = new FeedConnection(world, {
    onFrame(frame) {
      serverClock.heard(frame.at);
      if (frame.type === "snapshot" && frame.timezone !== undefined) setTimeZone(frame.timezone);
      return applyFrame(site, frame);
    },
    onStatus(status) {
      link.value = status;
      if (status.state === "signed_out") onSignedOut();
    },
  });
  const link = shallowRef(connection.status);
  const wake = (): void => {
    if (document.visibilityState === "visible") connection.wake();
  };
  return {
    site,
    link,
    start() {
      connection.start();
      window.addEventListener("online", wake);
      document.addEventListener("visibilitychange", wake);
    },
    stop() {
      window.removeEventListener("online", wake);
      document.removeEventListener("visibilitychange", wake);
      connection.stop();
    },
  };
}

/** Maps are reactive by key: a delta draws only the lanes it names. Views are never changed in place. */
function emptySite(): SiteState {
  return shallowReactive({
    version: null,
    name: null,
    gates: shallowReactive(new Map()),
    lanes: shallowReactive(new Map()),
    alarms: [],
  });
}

function browser(backend: Backend): Surroundings {
  return {
    openFeed: () => backend.openFeed(),
    signedIn: async () => {
      try {
        return (await currentSession(backend)) !== null;
      } catch {
        return null;
      }
    },
    now: () => Date.now(),
    after(delayMs, task) {
      const timer = setTimeout(task, delayMs);
      return () => clearTimeout(timer);
    },
    random: () => Math.random(),
  };
}
