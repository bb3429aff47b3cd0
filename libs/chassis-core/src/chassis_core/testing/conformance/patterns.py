"""Texts that match a regular expression, made up where it is simple."""

import re

_GROUP = re.compile(
    r"(?<!\\)\((?P<kind>\?(?::|=|!|<=|<!|P?<\w+>))?"
    r"(?P<inner>(?:\\.|\[(?:\\.|[^\]])*\]|[^()\[\\])*)\)"
    r"(?P<times>[*?+]|\{(?P<least>\d+)[^}]*\})?"
)
_OR = re.compile(r"\|(?![^\[]*\])")
_PART = re.compile(
    r"(?P<of>\[\^?\]?(?:\\.|[^\]\\])*\]|\\.|[^\\^$])"
    r"(?P<times>[*?+]|\{(?P<least>\d+)(?P<more>,?)\d*\})?"
)
_CHARACTERS = "aA1-_.:/@+# "


def matching(pattern: str, least: int) -> str:
    """Return a short text that `pattern` is meant to match; whoever needs it must look.

    Args:
        pattern: a regular expression.
        least: characters that the text is to have, if the pattern has a part that repeats.
    """
    parts = [*_PART.finditer(_without_groups(pattern))]
    counts = [_least(part) for part in parts]
    missing = least - sum(counts)
    text = ""
    for part, count in zip(parts, counts, strict=True):
        grows = missing if missing > 0 and (part["times"] in {"*", "+"} or part["more"]) else 0
        missing -= grows
        text += _character(part["of"]) * (count + grows)
    return text


def _without_groups(pattern: str) -> str:
    while group := _GROUP.search(pattern):
        looks = group["kind"] in {"?=", "?!", "?<=", "?<!"}
        first = "" if looks else _OR.split(group["inner"])[0] * _least(group)
        pattern = pattern[: group.start()] + first + pattern[group.end() :]
    return _OR.split(pattern)[0]


def _least(part: re.Match[str]) -> int:
    return int(part["least"]) if part["least"] else int(part["times"] not in {"*", "?"})


def _character(of: str) -> str:
    return next((one for one in _CHARACTERS if re.fullmatch(of, one)), of[-1])
