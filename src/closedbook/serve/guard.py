"""Who is answered: this machine's own page, or whoever has the token. Around the whole app."""

import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse

COOKIE = "closedbook"
OWN_NAMES = ("127.0.0.1", "localhost", "::1")
"""under which this machine alone reaches itself: a page from elsewhere whose name is made to point here comes with its own name"""
POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Guard:
    def __init__(self, app, token: str | None):
        """`token`: who has it is answered under whatever name; None: only this machine's own names are."""
        self.app, self.token = app, token

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        answer = self._refused(scope) or self.app

        async def headed(message):
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", POLICY)
                headers.update({"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"})
            await send(message)

        await answer(scope, receive, headed)

    def _refused(self, scope):
        """The response that says no, or sets the cookie for whoever came with the token; None where all is well."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return PlainTextResponse("A page from elsewhere may not ask this server.", 403)
        if self.token is None:
            return None if urlsplit(f"//{host}").hostname in OWN_NAMES else PlainTextResponse(f"This server is {' or '.join(OWN_NAMES)}.", 403)
        if self._is_token(parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]):
            response = RedirectResponse(scope["path"], 303)
            response.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
            return response
        given = headers.get("authorization", "").removeprefix("Bearer ") or _cookie(headers.get("cookie", ""))
        return None if self._is_token(given) else PlainTextResponse("Open the address with ?token=… that closedbook serve printed.", 401)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
