// Hand-driven surroundings of a FeedConnection: time moves only when a test says so.
import type { FeedSocket, Surroundings } from "../src/connection";
import { FakeSocket } from "../src/fake/backend";

export class ManualWorld implements Surroundings {
  readonly sockets: FakeSocket[] = [];
  session: boolean | null = true;
  chance = 0;
  #now = 1_000;
  #timers: { at: number; task: () => void }[] = [];

  openFeed(): FeedSocket {
    const socket = new FakeSocket();
    this.sockets.push(socket);
    return socket;
  }

  get socket(): FakeSocket {
    const newest = this.sockets.at(-1);
    if (newest === undefined) throw new Error("No socket was opened.");
    return newest;
  }

  signedIn(): Promise<boolean | null> {
    return Promise.resolve(this.session);
  }

  now(): number {
    return this.#now;
  }

  after(delayMs: number, task: () => void): () => void {
    const timer = { at: this.#now + delayMs, task };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  random(): number {
    return this.chance;
  }

  get pendingTimers(): number {
    return this.#timers.length;
  }

  /** Let time pass, running what falls due in its order, and every promise that follows. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at <= end).sort((one, other) => one.at - other.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#now = due.at;
      due.task();
      await settled();
    }
    this.#now = end;
  }
}

/** Let promises that are ready run. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
