"""What the platform keeps under `.chassis/`: data, logs, secrets, and the record of what runs."""

import fcntl
import json
import os
import secrets
import shutil
import time
from base64 import urlsafe_b64encode
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from dev.console import Trouble


class State:
    """One platform's folder: `.chassis` in the clone, or where CHASSIS_STATE says."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or Path(os.environ.get("CHASSIS_STATE", ".chassis"))).resolve()
        self._record = self.folder / "platform.json"
        self._held: IO[str] | None = None

    def database(self, service: str) -> Path:
        """Return where the service's SQLite file is."""
        return self.folder / "data" / f"{service}.db"

    def log(self, service: str) -> Path:
        """Return where the service's output goes."""
        return self.folder / "logs" / f"{service}.log"

    def secrets(self) -> dict[str, str]:
        """Return this clone's own secrets, made at the first call and readable by its owner only.

        Keys: `encryption_key`, which seals the signing keys of users.
        """
        path = self.folder / "secrets.json"
        if not path.exists():
            self._make_folders()
            made = {"encryption_key": urlsafe_b64encode(secrets.token_bytes(32)).decode()}
            with open(path, "w", encoding="utf-8", opener=_private) as file:
                json.dump(made, file)
        found: dict[str, str] = json.loads(path.read_text("utf-8"))
        return found

    def claim(self) -> None:
        """Become the one platform of this folder; the kernel gives the claim up if we are killed.

        Raises:
            Trouble: another process runs a platform here.
        """
        self._make_folders()
        deadline = time.monotonic() + 0.5
        while (file := _lock(self._record, fcntl.LOCK_EX)) is None:
            if time.monotonic() > deadline:
                raise Trouble(
                    f"the platform runs already{self._owner()}: use it (./dev demo), or stop it"
                )
            time.sleep(0.02)  # a reader holds it for an instant
        self._held = file
        self.record(pid=os.getpid())

    def record(self, **document: Any) -> None:
        """Write down what runs, for the other commands."""
        if self._held is not None:
            self._held.seek(0)
            self._held.truncate()
            json.dump(document, self._held)
            self._held.flush()

    def release(self) -> None:
        """Leave no record and no lock behind."""
        if self._held is not None:
            self._record.unlink(missing_ok=True)
            self._held.close()
            self._held = None

    def running(self) -> dict[str, Any] | None:
        """Return the record of the platform that runs, or None when none does."""
        if not self._record.exists():
            return None
        if (file := _lock(self._record, fcntl.LOCK_SH)) is not None:
            file.close()
            return None
        with suppress(ValueError, OSError):
            found: dict[str, Any] = json.loads(self._record.read_text("utf-8"))
            return found
        return {}

    def forget(self) -> None:
        """Remove data, logs and secrets; the claim stays."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != self._record:
                path.unlink()
        self._make_folders()

    def _make_folders(self) -> None:
        for name in ("data", "logs"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def _owner(self) -> str:
        pid = (self.running() or {}).get("pid")
        return f" (process {pid})" if pid else ""


def _lock(path: Path, kind: int) -> IO[str] | None:
    file = open(path, "a+", encoding="utf-8", opener=_private)  # noqa: SIM115 - open is locked
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
        # Whoever held it before us may have removed the file that we opened.
        if os.fstat(file.fileno()).st_ino == path.stat().st_ino:
            return file
    except OSError:
        pass
    file.close()
    return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
