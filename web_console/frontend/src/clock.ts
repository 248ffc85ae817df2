// Time on the page: a tick each second, and the server's time, because "12 s ago" must not depend on this machine's clock.
import { onScopeDispose, readonly, ref, type Ref } from "vue";

const TICK_MS = 1_000;

/** Frames come at most a little late, so the newest difference is good enough; a jump of less than this is jitter. */
const JITTER_MS = 500;

class ServerClock {
  #aheadMs = 0;

  /** Take the time of a frame that has just arrived. */
  heard(at: string): void {
    const aheadMs = Date.parse(at) - Date.now();
    if (Number.isFinite(aheadMs) && Math.abs(aheadMs - this.#aheadMs) > JITTER_MS) this.#aheadMs = aheadMs;
  }

  /** The server's time in ms since 1970. */
  now(): number {
    return Date.now() + this.#aheadMs;
  }
}

export const serverClock = new ServerClock();

export interface Ticking {
  /** This machine's time in ms. */
  readonly local: Readonly<Ref<number>>;
  /** The server's time in ms. */
  readonly server: Readonly<Ref<number>>;
}

/** Both times, renewed at the start of each second until the calling scope ends. */
export function useTicking(): Ticking {
  const local = ref(Date.now());
  const server = ref(serverClock.now());
  const tick = (): void => {
    local.value = Date.now();
    server.value = serverClock.now();
    timer = setTimeout(tick, TICK_MS - (server.value % TICK_MS));
  };
  let timer = setTimeout(tick, TICK_MS - (server.value % TICK_MS));
  onScopeDispose(() => clearTimeout(timer));
  return { local: readonly(local), server: readonly(server) };
}
