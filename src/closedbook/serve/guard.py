"""Who is answered: this machine's own page, or whoever has the token. Around the whole app."""

import hmac
import ipaddress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import SplitResult, parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse

COOKIE = "closedbook"
POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def is_own(host: str) -> bool:
    """Whether an address is one under which this machine alone reaches itself. A page from elsewhere whose name is made to point here comes
    with its own name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Guard:
    def __init__(self, app, token: str | None):
        """`token`: who has it is answered under whatever name; None: who names this machine by an address of its own."""
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
        if origin is not None and _split(origin).netloc != host:
            return PlainTextResponse("A page from elsewhere may not ask this server.", 403)
        if self.token is None:
            return None if is_own(_split(f"//{host}").hostname or "") else PlainTextResponse("Ask this server as 127.0.0.1 or localhost.", 403)
        if self._is_token(parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]):
            response = RedirectResponse(scope["path"], 303)
            response.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
            return response
        given = headers.get("authorization", "").removeprefix("Bearer ") or _cookie(headers.get("cookie", ""))
        return None if self._is_token(given) else PlainTextResponse("Open the address with ?token=… that closedbook serve printed.", 401)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())


def _split(address: str) -> SplitResult:
    """An address that is none has no parts."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
