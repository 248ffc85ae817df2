"""Signing in and out. The cookie is out of reach of scripts, is sent to our own pages only, and ends with the browser."""

from collections.abc import Callable

from aiohttp import web

from resort.errors import NotSignedIn
from storage.accounts import Accounts
from web_console.bodies import SessionView, SignIn
from web_console.callers import SESSION_COOKIE, SHOPPERS, STAFF
from web_console.problems import BEARER, HttpRefusal
from web_console.routes import Call, Route, respond


class SessionApi:
    """Handlers of the session routes. `on_end` hears the token of a session that was signed out."""

    def __init__(self, accounts: Accounts, on_end: Callable[[str], None]) -> None:
        self._accounts = accounts
        self._on_end = on_end

    def routes(self) -> list[Route]:
        """This part of the table."""
        path = "/api/session"
        return [
            Route(
                "POST", path, self.sign_in, SHOPPERS, "Sign in; sets the session cookie", body=SignIn, answer=SessionView,
                status=201, problems=(401, 429),
            ),
            Route("GET", path, self.session, STAFF, "Who is signed in", "have a session", answer=SessionView),
            Route("DELETE", path, self.sign_out, STAFF, "Sign out; ends the session everywhere", "sign out", status=204),
        ]  # fmt: skip

    async def sign_in(self, call: Call) -> web.StreamResponse:
        """Check name and password; the old session of this browser ends."""
        ask: SignIn = call.body
        try:
            signed_in = await self._accounts.sign_in(ask.name, ask.password)
        except NotSignedIn as error:
            # The error's own sentence speaks to those who sent nothing; which of the two was wrong stays untold.
            raise HttpRefusal(401, error.code, "The name or the password is wrong.", {"WWW-Authenticate": BEARER}) from None
        token, user = signed_in.token, signed_in.user
        if call.caller.by_cookie and call.caller.token is not None:
            await self._end(call.caller.token)
        response = respond(SessionView(user.name, user.role), 201)
        response.set_cookie(
            SESSION_COOKIE, token, path="/", httponly=True, samesite="Strict", secure=arrived_encrypted(call.request)
        )
        return response

    async def session(self, call: Call) -> SessionView:
        """The signed-in user."""
        if call.caller.user is None:
            raise NotSignedIn
        return SessionView(call.caller.user.name, call.caller.user.role)

    async def sign_out(self, call: Call) -> web.StreamResponse:
        """End the session, its sockets and its cookie."""
        if call.caller.token is not None:
            await self._end(call.caller.token)
        response = web.Response(status=204)
        response.del_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="Strict", secure=arrived_encrypted(call.request))
        return response

    async def _end(self, token: str) -> None:
        await self._accounts.sign_out(token)
        self._on_end(token)


def arrived_encrypted(request: web.Request) -> bool:
    """Whether the browser spoke HTTPS, to us or to a proxy before us. A false claim of a client harms its own cookie only."""
    return request.secure or request.headers.get("X-Forwarded-Proto", "").strip().lower() == "https"
