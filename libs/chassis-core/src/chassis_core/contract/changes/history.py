"""What has changed since a commit, as git tells it."""

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from chassis_core.contract.document import ContractError

TRAILER = "Foundation-Change"
"""The line at the end of a commit's message by which an owner of the foundation says why."""
LINK, SUBMODULE = "120000", "160000"


@dataclass(frozen=True, slots=True)
class Change:
    """One path that is not as it was.

    Attributes:
        path: relative to the root; a renamed file is two changes, one of each path.
        mode: git's mode of it now; zeros when it is gone.
        committed: False for what is only in the work tree.
    """

    path: str
    mode: str
    committed: bool

    @property
    def gone(self) -> bool:
        """Whether the path is there no more."""
        return not self.mode.strip("0")


@dataclass(frozen=True, slots=True)
class History:
    """The changes of a work tree since it left another line of history.

    Attributes:
        root: the platform's folder.
        start: the commit where both lines part.
        changes: all of them, the committed ones first.
        told: by path, whether every commit since then that touches it carries the trailer.
    """

    root: Path
    start: str
    changes: tuple[Change, ...]
    told: Mapping[str, bool]

    def before(self, path: str) -> str | None:
        """Return the text of a path at the start, or None if it was not there."""
        return _git(self.root, "show", f"{self.start}:./{path}", missing=True)


def history(root: Path, since: str) -> History:
    """Return what has changed since the work tree's history left that of `since`.

    Raises:
        ContractError: there is no git, no such commit, or no common history.
    """
    if since.startswith("-") or _git(root, "rev-parse", "--verify", "-q", f"{since}^{{commit}}",
                                     missing=True) is None:  # fmt: skip
        raise ContractError(f"there is no commit {since!r} here; fetch it, or name another")
    start = _git(root, "merge-base", since, "HEAD", missing=True)
    if start is None:
        raise ContractError(f"HEAD and {since} share no history; fetch more of it")
    start = start.strip()
    changes = (
        *_changed(root, start, "HEAD", committed=True),
        *_changed(root, "HEAD", committed=False),
        *_changed(root, "--cached", "HEAD", committed=False),
        *_untracked(root),
    )
    return History(root, start, tuple(dict.fromkeys(changes)), _told(root, start))


def _changed(root: Path, *between: str, committed: bool) -> Iterator[Change]:
    raw = _git(root, "diff", "--raw", "-z", "--no-renames", "--relative", *between) or ""
    fields = raw.split("\0")
    for about, path in zip(fields[::2], fields[1::2], strict=False):
        yield Change(path, about.split(" ")[1], committed)


def _untracked(root: Path) -> Iterator[Change]:
    names = _git(root, "ls-files", "-z", "--others", "--exclude-standard") or ""
    for path in filter(None, names.split("\0")):
        yield Change(path, LINK if (root / path).is_symlink() else "100644", committed=False)


def _told(root: Path, start: str) -> Mapping[str, bool]:
    reason = f"%x01%(trailers:key={TRAILER},valueonly,separator=%x20)%x02"
    options = ("-c", "--no-renames", "--name-only", "--relative", "-z", f"--format={reason}")
    told: dict[str, bool] = {}
    for commit in (_git(root, "log", *options, f"{start}..HEAD") or "").split("\x01"):
        why, _, names = commit.partition("\x02")
        for name in names.split("\0"):
            path = name.strip("\n")
            told[path] = told.get(path, True) and bool(why.strip())
    return told


def _git(root: Path, *arguments: str, missing: bool = False) -> str | None:
    command = ["git", "-C", str(root), "-c", "core.quotePath=false", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - git, no shell
    except OSError as error:
        raise ContractError("git is not installed, and --since needs it") from error
    if done.returncode and missing:
        return None
    if done.returncode:
        raise ContractError(f"git: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode("utf-8", "surrogateescape")
