"""The rules for a request's head that the parser leaves to its user (RFC 9112 §3, §6)."""

import re
from urllib.parse import unquote

from chassis_core.problem import BadRequest

Headers = list[tuple[bytes, bytes]]

_HOST = re.compile(rb"(?:[\w.~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?", re.ASCII)
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


def check_version(version: str) -> None:
    """Refuse a version that this server does not speak.

    Raises:
        BadRequest: not 505, which would count as a failure of the service: strangers could use up
            its error budget.
    """
    if version not in {"1.1", "1.0"}:
        raise BadRequest("HTTP/1.1 is spoken here.")


def check_framing(codings: list[bytes], version: str) -> None:
    """Refuse a body whose end two readers could see in different places (§6.1).

    Raises:
        BadRequest: there is a `Transfer-Encoding` that is not `chunked`, or HTTP/1.0 has one.
    """
    if codings and (version == "1.0" or [coding.lower() for coding in codings] != [b"chunked"]):
        raise BadRequest("Transfer-Encoding can only be chunked.")


def check_host(hosts: list[bytes], version: str) -> None:
    """Refuse a request that is for no host, several, or a malformed one (§3.2).

    Raises:
        BadRequest: as it says.
    """
    if len(hosts) != 1 and (hosts or version == "1.1"):
        raise BadRequest("There must be one Host header.")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise BadRequest("The Host header is not a host.")


def origin(target: bytes, method: str, headers: Headers) -> bytes:
    """Return the path and query of a target; an absolute one's host replaces the header (§3.2.2).

    Raises:
        BadRequest: the target is none that a server of resources answers.
    """
    if target[:1] != b"/" and (absolute := _ABSOLUTE.fullmatch(target)):
        authority, rest = absolute.groups()
        check_host([authority], "1.1")
        headers[:] = [(b"host", authority), *(pair for pair in headers if pair[0] != b"host")]
        target = rest if rest[:1] == b"/" else b"/" + rest
    if target[:1] != b"/" and (target, method) != (b"*", "OPTIONS"):
        raise BadRequest("The request target is not a path.")
    if b"#" in target or b"%00" in target:
        raise BadRequest("The request target holds a fragment or NUL.")
    return target


def decoded(raw_path: bytes) -> str:
    """Return a path as the app matches it: percent-decoded, as UTF-8."""
    path = raw_path.decode("ascii")
    return unquote(path) if "%" in path else path
