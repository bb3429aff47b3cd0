"""Installs the uv of `uv.lock` where Python has neither pip nor venv: Python 3.8, stdlib only."""

import hashlib
import io
import pathlib
import platform
import re
import sys
import urllib.request
import zipfile


def wheel_of(lock: str, version: str) -> "tuple[str, str]":
    """Return URL and SHA-256 of the uv wheel that `lock` names for this machine."""
    system = {"Linux": "manylinux", "Darwin": "macosx"}.get(platform.system(), platform.system())
    name = "uv-" + re.escape(version) + rf"-[^\"]*{system}[^\"]*{platform.machine()}[^\"]*\.whl"
    found = re.search(rf'url = "([^"]*/{name})", hash = "sha256:([0-9a-f]+)"', lock)
    if found is None:
        sys.exit(f"uv.lock names no uv {version} for {system} {platform.machine()}")
    return found.group(1), found.group(2)


def install(folder: pathlib.Path, version: str) -> None:
    """Put `uv` into `folder/bin`; a download that is not the locked one ends the process."""
    url, expected = wheel_of(pathlib.Path("uv.lock").read_text("utf-8"), version)
    with urllib.request.urlopen(url, timeout=300) as response:  # noqa: S310 - the lock's own URL
        wheel = response.read()
    if hashlib.sha256(wheel).hexdigest() != expected:
        sys.exit("the download is not the uv that uv.lock names")
    target = folder / "bin" / "uv"
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        target.write_bytes(archive.read(f"uv-{version}.data/scripts/uv"))
    target.chmod(0o755)


if __name__ == "__main__":
    install(pathlib.Path(sys.argv[1]), sys.argv[2])
