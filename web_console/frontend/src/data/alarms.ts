// Open alarms: the order in which they are read, what was counted, and saying that one was seen.
import type { Backend } from "../backend";
import type { AcknowledgeAsk, AlarmView, Text } from "../wire/types.gen";
import { ask } from "./requests";

/** The longest note that the server takes. */
export const NOTE_LIMIT = 500;

const SEVERITY_ORDER = ["critical", "warning", "info"];

/** Gravest first, among equals those that nobody has seen, then the newest. */
export function alarmsByWeight(alarms: readonly AlarmView[]): AlarmView[] {
  return [...alarms].sort(
    (one, other) =>
      weight(one) - weight(other) ||
      Number(isAcknowledged(one)) - Number(isAcknowledged(other)) ||
      Date.parse(other.since) - Date.parse(one.since),
  );
}

export function isAcknowledged(alarm: AlarmView): boolean {
  return alarm.acknowledged_at !== undefined && alarm.acknowledged_at !== null;
}

const CHINESE = "_zh"; // `detail_zh` says in Chinese what `detail` says

/** What was counted, without the ids of events: those are for the journal. */
export function evidenceOf(alarm: AlarmView): [name: string, value: Text][] {
  const evidence = alarm.evidence ?? {};
  return Object.entries(evidence)
    .filter(([name, value]) => name !== "event" && value !== "" && !name.endsWith(CHINESE))
    .map(([name, value]) => [name, { zh: String(evidence[name + CHINESE] ?? value), en: String(value) }]);
}

/** Say that an open alarm was seen. Raises RequestRefused, ServerUnreachable; the feed shows it with the alarm. */
export async function acknowledge(backend: Backend, alarmKey: string, note: string): Promise<void> {
  const said: AcknowledgeAsk = { note };
  await ask(backend, "POST", `/api/alarms/${encodeURIComponent(alarmKey)}/acknowledge`, said);
}

function weight(alarm: AlarmView): number {
  const place = SEVERITY_ORDER.indexOf(alarm.severity);
  return place < 0 ? 1 : place; // a severity unknown here must not sink below information
}
