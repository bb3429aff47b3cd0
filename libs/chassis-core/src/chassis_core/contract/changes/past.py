"""Rules on what is there already: released migrations, and tests."""

import ast
import re
from collections.abc import Iterator, Mapping

from chassis_core.contract.changes.history import History
from chassis_core.contract.changes.rule import ChangeRule
from chassis_core.contract.document import Contract
from chassis_core.contract.rule import Finding

_MIGRATION = re.compile(r"services/[^/]+/(?:.+/)?migrations/versions/[^/]+\.py", re.DOTALL)
_TEST = re.compile(r"services/([^/]+)/tests/(?:.+/)?[^/]+\.py", re.DOTALL)


def _released(_: Contract, history: History) -> Iterator[Finding]:
    for path in sorted({change.path for change in history.changes}):
        if _MIGRATION.fullmatch(path) and (before := history.before(path)) is not None:
            now = history.root / path
            if not now.is_file():
                message = "a released migration is gone; databases that ran it stand still"
                yield Finding(path, 0, "released-migrations-stay", message)
            elif (ran := _tree(before)) and ran != _tree(now.read_text("utf-8", "replace")):
                message = "a released migration has changed; write a new one that follows it"
                yield Finding(path, 1, "released-migrations-stay", message)


def _tree(text: str) -> str:
    """Return what a file says, whatever its form; nothing if it is no Python, and so never ran."""
    try:
        return ast.dump(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError):
        return ""


def _tests(_: Contract, history: History) -> Iterator[Finding]:
    paths = sorted({change.path for change in history.changes if _TEST.fullmatch(change.path)})
    before = {path: _names(history.before(path) or "") for path in paths}
    now = {path: _names(_text_of(history, path)) for path in paths}
    for path in paths:
        service = path.split("/")[1]
        lost = before[path] - _names_in(history, service)
        new = now[_successor(path, before, now)] - before[path]
        if len(lost) > len(new):
            shown = ", ".join(sorted(lost)[:3])
            message = f"{len(lost) - len(new)} fewer tests than before ({shown}); bring them back"
            yield Finding(path, 0, "tests-stay", message)


def _successor(path: str, before: Mapping[str, set[str]], now: Mapping[str, set[str]]) -> str:
    """Return the new file that holds at least half of the tests of one that is gone."""
    if now[path]:
        return path
    fresh = [one for one in now if not before[one]]
    return next(
        (one for one in fresh if 2 * len(now[one] & before[path]) >= len(before[path])), path
    )


def _text_of(history: History, path: str) -> str:
    file = history.root / path
    return file.read_text("utf-8", "replace") if file.is_file() else ""


def _names_in(history: History, service: str) -> set[str]:
    folder = history.root / "services" / service / "tests"
    texts = [path.read_text("utf-8", "replace") for path in folder.rglob("*.py") if path.is_file()]
    return {name for text in texts for name in _names(text)}


def _names(text: str) -> set[str]:
    return set(re.findall(r"(?m)^\s*(?:async\s+)?def (test_\w+)", text))


RELEASED_MIGRATIONS_STAY = ChangeRule(
    "released-migrations-stay",
    says="A migration that is released is never edited or removed.",
    why="Databases that ran it do not run it again: theirs and yours are two schemas.",
    instead="Write a new migration that follows it.",
    find=_released,
)
TESTS_STAY = ChangeRule(
    "tests-stay",
    says="No test goes away but with what it tested.",
    why="A test that is in the way has mostly found something.",
    instead="Mend what it found; a test of behaviour that is meant to go is excepted by name.",
    find=_tests,
)
