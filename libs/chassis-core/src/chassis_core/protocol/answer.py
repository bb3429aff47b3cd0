"""How an answer is framed, so that the client knows where it ends (RFC 9112 §6)."""

from collections.abc import Iterable

from starlette.types import Scope

from chassis_core.protocol.lines import header_line, status_line

Headers = Iterable[tuple[bytes, bytes]]


class Answer:
    """One answer as bytes.

    Args:
        scope: the request.
        keep_alive: whether the connection may serve another one.
    """

    __slots__ = ("_bodiless", "_chunked", "_left", "_scope", "keep_alive")

    def __init__(self, scope: Scope, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self._scope = scope
        self._chunked = self._bodiless = False
        self._left: int | None = None

    def head(self, status: int, headers: Headers) -> bytes:
        """Return the status line and the headers.

        Raises:
            ValueError: a header would not be one line, or its name is none.
        """
        lines = [status_line(status)]
        closes = False
        for name, value in headers:
            line, framing = header_line(name, value)
            lines.append(line)
            if framing is not None:
                closes = self._note(framing, value) or closes
        if not (self.keep_alive or closes):
            lines.append(b"connection: close\r\n")
        if self._scope["method"] == "HEAD" or status in {204, 304}:
            self._bodiless = True
        elif self._left is None and not self._chunked and self._scope["http_version"] == "1.1":
            self._chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
        lines.append(b"\r\n")
        return b"".join(lines)

    def part(self, body: bytes, *, last: bool) -> bytes:
        """Return a part of the body.

        Raises:
            RuntimeError: there is more or less of it than the head has said.
        """
        if self._bodiless:
            return b""
        if self._chunked:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return chunk + b"0\r\n\r\n" if last else chunk
        if self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (last and self._left):
                raise RuntimeError("the answer is not as long as its Content-Length")
        return body

    def _note(self, name: bytes, value: bytes) -> bool:
        if name == b"content-length":
            self._left = int(value)
        elif name == b"transfer-encoding":
            self._chunked = value.lower() == b"chunked"
        elif b"close" in value.lower():
            self.keep_alive = False
            return True
        return False
