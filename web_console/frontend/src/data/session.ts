// Who is signed in, and signing in and out.
import type { Backend } from "../backend";
import type { SessionView, SignIn } from "../wire/types.gen";
import { ask, hasStrings, RequestRefused } from "./requests";

const PATH = "/api/session";

/** The session of this browser, or null when nobody is signed in. Raises ServerUnreachable, RequestRefused. */
export async function currentSession(backend: Backend): Promise<SessionView | null> {
  try {
    return sessionFrom(await ask(backend, "GET", PATH));
  } catch (error) {
    if (error instanceof RequestRefused && error.status === 401) return null;
    throw error;
  }
}

/** Exchange a name and password for the session cookie. Raises RequestRefused with status 401 when they are wrong. */
export async function signIn(backend: Backend, asked: SignIn): Promise<SessionView> {
  return sessionFrom(await ask(backend, "POST", PATH, asked));
}

/** End the session; a session that has ended already is no error. */
export async function signOut(backend: Backend): Promise<void> {
  try {
    await ask(backend, "DELETE", PATH);
  } catch (error) {
    if (!(error instanceof RequestRefused && error.status === 401)) throw error;
  }
}

/** Roles that may open and close lanes and acknowledge alarms; the server decides, this only hides what it would refuse. */
export function mayCommandLanes(session: SessionView): boolean {
  return session.role === "admin" || session.role === "control_room";
}

function sessionFrom(body: unknown): SessionView {
  if (hasStrings(body, "name", "role")) return { name: body.name, role: body.role };
  throw new RequestRefused(502, "");
}
