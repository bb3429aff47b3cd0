"""The response headers that make a browser defend the user, on every response."""

from pydantic import Field
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis_core.concern import Concern, ConcernSettings, Layer

# What a browser would otherwise grant to a page of this origin (OWASP Secure Headers Project).
_FEATURES = (
    "accelerometer",
    "autoplay",
    "camera",
    "clipboard-read",
    "clipboard-write",
    "cross-origin-isolated",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "gamepad",
    "geolocation",
    "gyroscope",
    "hid",
    "idle-detection",
    "interest-cohort",
    "keyboard-map",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "picture-in-picture",
    "publickey-credentials-get",
    "screen-wake-lock",
    "serial",
    "sync-xhr",
    "unload",
    "usb",
    "web-share",
    "xr-spatial-tracking",
)


class SecurityHeadersSettings(ConcernSettings):
    """What browsers are told; the defaults fit an API that serves no pages."""

    hsts_max_age: int = Field(31_536_000, ge=0)
    """Seconds a browser insists on https (RFC 6797); a year is what preload lists ask for.
    Browsers ignore it over plain http, so it is always sent; 0 leaves it out."""
    content_security_policy: str = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    """The policy of every response that sets none of its own, as the API docs do."""
    cache_control: str = "no-store, max-age=0"
    """`Cache-Control` of responses that set none: an answer may hold the caller's data."""


class SecurityHeadersMiddleware:
    """Adds the headers that a response does not set itself, and takes `Server` out.

    Args:
        app: the next layer.
        settings: the policy.
    """

    def __init__(self, app: ASGIApp, *, settings: SecurityHeadersSettings) -> None:
        self._app = app
        self._headers = _headers(settings)
        self._names = frozenset({name for name, _ in self._headers} | {b"server", b"x-powered-by"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; its response leaves with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                message["headers"] = self._merge(headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _merge(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        present = self._names.intersection([name.lower() for name, _ in headers])
        if not present:
            return headers + self._headers
        kept = [h for h in headers if h[0].lower() not in {b"server", b"x-powered-by"}]
        return kept + [h for h in self._headers if h[0] not in present]


def _headers(settings: SecurityHeadersSettings) -> list[tuple[bytes, bytes]]:
    headers = {
        "content-security-policy": settings.content_security_policy,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "permissions-policy": ", ".join(f"{feature}=()" for feature in _FEATURES),
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
        "x-permitted-cross-domain-policies": "none",
        "x-dns-prefetch-control": "off",
        "cache-control": settings.cache_control,
    }
    if settings.hsts_max_age:
        hsts = f"max-age={settings.hsts_max_age}; includeSubDomains"
        headers["strict-transport-security"] = hsts
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def security_headers(settings: SecurityHeadersSettings) -> Concern:
    """Return the concern that sets the security headers."""
    layer = Middleware(SecurityHeadersMiddleware, settings=settings)
    return Concern(name="security_headers", middleware={Layer.SECURITY_HEADERS: layer})
