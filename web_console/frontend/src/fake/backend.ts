// A whole server inside the page, for `npm run dev:fake` and for tests. Any name signs in with the password "snow"; the name
// is also the role (control_room, admin, cashier). The address picks a scene: ?scene=faults, ?scene=stale, ?scene=down.
import type { Backend, Method, Reply } from "../backend";
import type { FeedSocket } from "../connection";
import { hasStrings } from "../data/requests";
import type { CrowdView, FaceStanding, FeedFrame, SensorView } from "../wire/types.gen";
import { FakeWorld } from "./world";

export const PASSWORD = "snow";
const TURN_MS = 500;
const STALE_SCENE_AFTER_MS = 4_000;

/** The one ticket of this resort; its code is THE-CODE. */
export const FAKE_TICKET = "00000000000000aa";

export class FakeSocket implements FeedSocket {
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  closed = false;

  send(frame: FeedFrame): void {
    this.onmessage?.(new MessageEvent("message", { data: JSON.stringify(frame) }));
  }

  /** The server ends the connection. */
  hangUp(): void {
    this.closed = true;
    this.onclose?.(new CloseEvent("close"));
  }

  close(): void {
    this.closed = true;
  }
}

export class FakeBackend implements Backend {
  readonly world: FakeWorld;
  /** Every socket that was opened, the newest last. */
  readonly sockets: FakeSocket[] = [];
  /** Orders as they came in, `lane mode`. */
  readonly orders: string[] = [];
  sensors: SensorView[] = [];
  /** Null: this resort has no crowd brain. */
  crowd: CrowdView | null = null;
  face: FaceStanding = { ticket_id: FAKE_TICKET, enrolled: false };
  session: { name: string; role: string } | null = null;
  reachable = true;
  /** Connections open, but nothing is said on them. */
  silent = false;

  constructor(world: FakeWorld) {
    this.world = world;
  }

  /** A backend that lives by itself, in the scene that the address names. */
  static fromAddress(address: Location): FakeBackend {
    const query = new URLSearchParams(address.search);
    const backend = new FakeBackend(new FakeWorld(() => Date.now()));
    const scene = query.get("scene");
    const role = query.get("role");
    if (role !== null) backend.session = { name: role, role };
    for (const laneId of backend.world.laneIds) backend.world.refuse(laneId);
    if (scene === "faults") setFaults(backend.world);
    const timer = setInterval(() => {
      backend.world.live();
      backend.broadcast();
    }, TURN_MS);
    if (scene === "stale" || scene === "down") {
      setTimeout(() => {
        clearInterval(timer);
        if (scene === "down") backend.goDown();
        else backend.silent = true;
      }, STALE_SCENE_AFTER_MS);
    }
    return backend;
  }

  /** Send what changed to every open socket. */
  broadcast(): void {
    if (this.silent) return;
    const frame = this.world.news();
    for (const socket of this.sockets) if (!socket.closed) socket.send(frame);
  }

  goDown(): void {
    this.reachable = false;
    for (const socket of this.sockets) if (!socket.closed) socket.hangUp();
  }

  openFeed(): FeedSocket {
    const socket = new FakeSocket();
    this.sockets.push(socket);
    queueMicrotask(() => {
      if (socket.closed || this.silent) return;
      if (this.reachable && this.session !== null) socket.send(this.world.snapshot());
      else socket.hangUp();
    });
    return socket;
  }

  async request(method: Method, path: string, body?: unknown, key?: string): Promise<Reply> {
    if (!this.reachable) throw new TypeError("Failed to fetch");
    const [, ticketId, query] = /^\/api\/tickets\/([^/]+)\/face(?:\?(.*))?$/.exec(path) ?? [];
    if (ticketId !== undefined && this.session !== null) return this.#atFace(method, ticketId, query ?? "", body);
    return this.#answer(method, path, body, key);
  }

  #answer(method: Method, path: string, body: unknown, key?: string): Reply {
    if (path === "/api/session" && method === "POST") return this.#signIn(body);
    if (this.session === null) return problem(401, "Please sign in.");
    if (path === "/api/session" && method === "GET") return { status: 200, body: this.session };
    if (path === "/api/session" && method === "DELETE") {
      this.session = null;
      return { status: 204, body: null };
    }
    const laneId = /^\/api\/lanes\/([^/]+)\/mode$/.exec(path)?.[1];
    if (laneId !== undefined && method === "PUT" && hasStrings(body, "mode")) return this.#order(laneId, body.mode);
    const [, atLane, act] = /^\/api\/lanes\/([^/]+)\/(admit|annul|test-scan|policy)$/.exec(path) ?? [];
    if (atLane !== undefined && act !== undefined && method === "POST") return this.#atDesk(atLane, act, body, key);
    const [, lookLane, lookAnswer] = /^\/api\/lanes\/([^/]+)\/looks\/[^/]+(?:\/(confirm|reject))?$/.exec(path) ?? [];
    if (lookLane !== undefined) return this.#atLook(lookLane, lookAnswer ?? "view", key);
    const alarmKey = /^\/api\/alarms\/([^/]+)\/acknowledge$/.exec(path)?.[1];
    if (alarmKey !== undefined && method === "POST" && hasStrings(body, "note")) {
      return this.#acknowledge(decodeURIComponent(alarmKey), this.session.name, body.note);
    }
    const [, proposalId, said] = /^\/api\/crowd\/proposals\/([^/]+)\/(accept|decline)$/.exec(path) ?? [];
    if (this.crowd !== null && proposalId !== undefined && said !== undefined) return this.#atCrowd(this.crowd, proposalId, said);
    if (this.crowd !== null && path === "/api/crowd/mode" && hasStrings(body, "mode")) {
      this.crowd = { ...this.crowd, mode: body.mode as CrowdView["mode"] };
      return { status: 200, body: this.crowd };
    }
    const [, signId] = /^\/api\/crowd\/signs\/([^/]+)$/.exec(path) ?? [];
    if (this.crowd !== null && signId !== undefined) return this.#atSign(this.crowd, signId, body);
    if (this.crowd !== null && path === "/api/crowd") return { status: 200, body: this.crowd };
    if (path === "/api/people") return { status: 200, body: { sensors: this.sensors } };
    if (path === "/api/face-consent") return { status: 200, body: WORDING };
    if (path === "/api/tickets/find" && hasStrings(body, "text")) {
      if (body.text !== FAKE_TICKET && body.text !== "THE-CODE") return problem(404, "There is no ticket called that.");
      return { status: 200, body: { ticket_id: FAKE_TICKET } };
    }
    return problem(404, "There is no such page.");
  }

  #atSign(crowd: CrowdView, signId: string, body: unknown): Reply {
    const { gate_id: gateId } = body as { gate_id: string | null };
    const until = gateId === null ? null : new Date(this.world.snapshot().at).toISOString();
    this.orders.push(`${signId} ${gateId ?? "as advised"}`);
    const signs = crowd.signs.map((sign) => (sign.sign_id === signId ? { ...sign, names: gateId ?? sign.gate_id, ordered_until: until } : sign));
    this.crowd = { ...crowd, signs };
    return { status: 200, body: this.crowd };
  }

  #atCrowd(crowd: CrowdView, proposalId: string, said: string): Reply {
    const proposal = crowd.proposals.find((one) => one.proposal_id === proposalId);
    if (proposal === undefined) return problem(404, "There is no proposal called that.");
    const { proposal_id: _, since: __, ...what } = proposal;
    const outcome = said === "accept" ? ("done" as const) : ("declined" as const);
    const act = { ...what, at: new Date(this.world.snapshot().at).toISOString(), by: this.session?.name ?? "", outcome };
    this.orders.push(`${proposalId} ${said}`);
    this.crowd = { ...crowd, proposals: crowd.proposals.filter((one) => one !== proposal), done: [act, ...crowd.done] };
    return { status: 200, body: act };
  }

  /** A photograph whose bytes say "dark" is too dark. */
  async #atFace(method: Method, ticketId: string, query: string, body: unknown): Promise<Reply> {
    if (ticketId !== FAKE_TICKET) return problem(404, "There is no ticket called that.");
    if (method === "POST" && body instanceof Blob) {
      this.orders.push(`${ticketId} enrol ${query} ${body.type}`);
      if ((await body.text()) === "dark") return { status: 200, body: { ...this.face, advice: [TOO_DARK] } };
      const at = new Date(this.world.snapshot().at).toISOString();
      const consent = { wording: WORDING.version, given_by: "holder" as const, given_at: at, ended_at: null, reason: null };
      const days = { valid_on: "2026-12-01", valid_until: "2026-12-03" };
      this.face = { ticket_id: ticketId, enrolled: true, enrolled_at: at, ...days, origin: "upload", consents: [consent] };
    } else if (method === "DELETE") {
      this.orders.push(`${ticketId} forget ${query}`);
      this.face = { ticket_id: ticketId, enrolled: false };
    }
    return { status: 200, body: this.face };
  }

  #signIn(body: unknown): Reply {
    if (!hasStrings(body, "name", "password") || body.password !== PASSWORD) {
      return problem(401, "The name or the password is not right.");
    }
    this.session = { name: body.name, role: body.name };
    return { status: 200, body: this.session };
  }

  #acknowledge(alarmKey: string, by: string, note: string): Reply {
    if (!this.world.acknowledge(alarmKey, by, note)) return problem(404, `There is no open alarm called ${alarmKey}.`);
    return { status: 200, body: { alarm_key: alarmKey, by, note } };
  }

  #atDesk(laneId: string, act: string, body: unknown, key?: string): Reply {
    this.orders.push([laneId, act, JSON.stringify(body), ...(key === undefined ? [] : [key])].join(" "));
    if (act === "policy") return { status: 200, body: { lane_id: laneId, admits: [] } };
    const done = { ticket_id: null, grant_id: null, attention: [], warning: "" };
    if (act !== "test-scan") return { status: 200, body: { ...done, outcome: "ok", text: { zh: "已完成", en: "Done" } } };
    const used = { zh: "此票已使用", en: "This ticket has already been used" };
    const rules = [
      { rule: "day", inputs: { day: "2026-12-01", valid_until: null }, reason: null, says: null },
      { rule: "entries", inputs: { used: 1, allowed: 1, lanes: [] }, reason: "already_used", says: used },
    ];
    return { status: 200, body: { outcome: { ...done, outcome: "already_used", text: used }, rules } };
  }

  #atLook(laneId: string, what: string, key?: string): Reply {
    this.orders.push([laneId, what, ...(key === undefined ? [] : [key])].join(" "));
    if (what === "view") return { status: 200, body: { ticket_id: "00000000000000aa", live: LOOK_PICTURE, enrolled: LOOK_PICTURE } };
    const done = { ticket_id: "00000000000000aa", grant_id: null, attention: [], warning: "" };
    return { status: 200, body: { ...done, outcome: "ok", text: { zh: "已完成", en: "Done" } } };
  }

  #order(laneId: string, mode: string): Reply {
    if (!this.world.laneIds.includes(laneId)) return problem(404, `There is no lane ${laneId}.`);
    this.orders.push(`${laneId} ${mode}`);
    this.world.change(laneId, { state: mode === "open" ? "ready" : "closed" });
    return { status: 200, body: { lane_id: laneId, mode } };
  }
}

const WORDING = {
  version: "2026-11",
  text: { zh: "刷脸入闸完全自愿。票码始终有效。", en: "Entering by face is entirely voluntary. Your code always works." },
  guardian: { zh: "不满十四周岁的, 须由监护人同意。", en: "For anybody under 14, a guardian has to agree." },
};
const TOO_DARK = { fault: "too_dark", says: { zh: "脸部太暗: 请面向光线", en: "The face is too dark: turn to the light" } };

/** A grey square: nobody. */
const LOOK_PICTURE =
  "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADklEQVR4nGNsYGBiYAAAApIAhPd8o1gAAAAASUVORK5CYII=";

function problem(status: number, detail: string): Reply {
  return { status, body: { type: "about:blank", title: "", status, detail, code: "" } };
}

function setFaults(world: FakeWorld): void {
  world.change("village-2", { state: "faulted", detail: { zh: "闸机无应答", en: "turnstile does not answer" }, passages_per_minute: 0 });
  world.change("village-3", { state: "closed", detail: { zh: "已由控制室关闭", en: "closed by control_room" }, passages_per_minute: 0 });
  world.change("north-1", { state: "released", detail: { zh: "消防释放", en: "fire release" } });
  world.change("north-fast", { state: "unserved", detail: { zh: "", en: "" }, passages_per_minute: 0 });
  world.change("summit-2", { state: "starting", detail: { zh: "", en: "" }, last: null });
  world.raise({
    alarm_key: "turnstile:village-2",
    severity: "warning",
    gate_id: "village",
    lane_id: "village-2",
    text: { zh: "闸机没有应答", en: "The turnstile does not answer" },
    evidence: { detail: "no answer within 300 ms" },
  });
  world.raise({
    alarm_key: "invalid_scans:summit-1",
    severity: "warning",
    gate_id: "summit",
    lane_id: "summit-1",
    text: { zh: "此通道连续出现无效票码", en: "Invalid codes are held up again and again at this lane" },
    evidence: { count: 8, threshold: 8, window_s: 60, event: "event_0" },
  });
  world.acknowledge("invalid_scans:summit-1", "control_room", "guard is on the way");
  world.raise({
    alarm_key: "fire:north-1",
    severity: "critical",
    gate_id: "north",
    lane_id: "north-1",
    text: { zh: "消防释放已触发，闸臂已放开", en: "Fire release is on, the arm is free" },
  });
  world.raise({
    alarm_key: "lane:north-fast",
    severity: "critical",
    gate_id: "north",
    lane_id: "north-fast",
    text: { zh: "通道程序没有应答，正在重启", en: "The lane does not answer and is being restarted" },
  });
}
