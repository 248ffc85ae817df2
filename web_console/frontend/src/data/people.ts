// People counters and queue sensors of the site, asked for again and again while somebody watches.
import type { Backend } from "../backend";
import type { SensorList, SensorView } from "../wire/types.gen";
import { ask, RequestRefused } from "./requests";

export const ASK_EVERY_MS = 2_000;
/** What the page calls silent; the alarm has a limit of its own (`sensor_silent_s`). */
export const SILENT_AFTER_S = 30;

/** Every sensor, in the site file's order. */
export async function fetchSensors(backend: Backend): Promise<SensorView[]> {
  const body = (await ask(backend, "GET", "/api/people")) as Partial<SensorList> | null;
  if (Array.isArray(body?.sensors)) return body.sensors;
  throw new RequestRefused(502, "");
}

/** Ask now and then every two seconds, one question at a time; returns how to end it. */
export function watchSensors(backend: Backend, told: (sensors: SensorView[] | null) => void): () => void {
  let over = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  async function turn(): Promise<void> {
    let answer: SensorView[] | null;
    try {
      answer = await fetchSensors(backend);
    } catch {
      answer = null; // the feed tells of a session that is over, and of a server that is away
    }
    if (over) return;
    told(answer);
    timer = setTimeout(() => void turn(), ASK_EVERY_MS);
  }
  void turn();
  return () => {
    over = true;
    clearTimeout(timer);
  };
}
