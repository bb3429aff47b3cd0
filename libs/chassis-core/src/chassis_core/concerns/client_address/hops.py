"""Reads the entries that proxies append to a request: addresses, ports, `Forwarded` elements."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

_NODE = re.compile(r"(?:\[([^\[\]]+)\]|([\d.]+))(?::(\d{1,5}))?", re.ASCII)
_PAIR = re.compile(
    r"""[ \t]*([\w!#$%&'*+.^`|~-]+)=(?:"([^"\\]*)"|([^\s",;=\\]+))[ \t]*""", re.ASCII
)


def from_right(entries: str) -> Iterator[str]:
    """Yield the entries of a comma-separated list, last first, one at a time."""
    end = len(entries)
    while end >= 0 and entries:
        start = entries.rfind(",", 0, end)
        yield entries[start + 1 : end].strip(" \t")
        end = start


def canonical_address(node: str) -> IPv4Address | IPv6Address | None:
    """Return the canonical address of a node, without port, brackets and zone, if it is one."""
    try:
        if not (match := _NODE.fullmatch(node)):
            return _canonical(IPv6Address(node))
        bracketed, dotted, port = match.groups(default="")
        if int(port or 0) > 65_535:
            return None
        return IPv4Address(dotted) if dotted else _canonical(IPv6Address(bracketed))
    except ValueError:
        return None


def _canonical(ip: IPv6Address) -> IPv4Address | IPv6Address:
    return ip.ipv4_mapped or IPv6Address(int(ip))


def plain(entry: str) -> tuple[str, str]:
    """Return the node that an entry of `X-Forwarded-For` is, and no scheme."""
    return entry, ""


def forwarded(element: str) -> tuple[str, str]:
    """Return node and scheme of a `Forwarded` element (RFC 7239 §4); both empty if malformed."""
    pairs: dict[str, str] = {}
    # A comma or semicolon inside quotes leaves parts that match nothing, which ends the walk.
    for part in element.split(";"):
        match = _PAIR.fullmatch(part)
        if match is None or (name := match[1].lower()) in pairs:
            return "", ""
        pairs[name] = match[2] or match[3] or ""
    return pairs.get("for", ""), pairs.get("proto", "").lower()
