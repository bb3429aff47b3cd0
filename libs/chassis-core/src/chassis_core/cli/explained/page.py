"""A page: the explanation of one thing, as data, and as text that needs no colour."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence

WIDTH = 100
"""Columns of the text."""
_ROOM = 48
"""Columns that the last cell of a row needs to stand beside the others."""

Row = Mapping[str, str]
Page = Mapping[str, str | Sequence[str] | Sequence[Row]]
"""`kind` and `name` of the thing, then what there is to say: sentences, lists, and tables."""


def text(page: Page) -> str:
    """Return the page in lines of at most `WIDTH` columns."""
    lines = [" ".join(str(page[key]) for key in ("kind", "name") if page[key])]
    for name, value in page.items():
        if name in {"kind", "name"} or not value:
            continue
        lines += said(name, value) if isinstance(value, str) else ["", f"{name}:", *_listed(value)]
    return "\n".join(lines)


def said(name: str, value: str) -> Iterator[str]:
    """Yield the lines of a sentence under its name, or of a text that has lines of its own."""
    if "\n" not in value:
        yield from _wrapped(f"{name + ':':12}{value}", later=12)
        return
    yield ""
    for line in value.splitlines():
        yield from _wrapped(line, later=2) or [""]


def _listed(items: Sequence[str] | Sequence[Row]) -> Iterator[str]:
    widths = _widths([item for item in items if not isinstance(item, str)])
    for item in items:
        if isinstance(item, str):
            yield from _wrapped(f"  {item}", later=4)
        else:
            yield from _lines(list(item.values()), widths)


def _widths(rows: Sequence[Row]) -> list[int]:
    columns = zip(*(list(row.values())[:-1] for row in rows), strict=True)
    return [max(map(len, column)) + 2 for column in columns]


def _lines(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    *first, last = cells
    start = "  " + "".join(f"{cell:{width}}" for cell, width in zip(first, widths, strict=True))
    if WIDTH - len(start) >= _ROOM:
        yield from _wrapped(start + last, later=len(start))
        return
    yield from _wrapped(start, later=4)
    yield from _wrapped(f"      {last}", later=6)


def _wrapped(line: str, *, later: int) -> list[str]:
    indent = " " * later
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
