"""HTTP/1.1 at the edge, read strictly (RFC 9112)."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class StrictProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol."""
