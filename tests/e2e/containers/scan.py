"""Runs inside an image as root and prints what is in it, as JSON."""

import json
import os
import stat
import sys
from importlib.util import cache_from_source, find_spec
from pathlib import Path

UID = GID = 10001
VIRTUAL = ("/proc", "/sys", "/dev")
CACHES = ("/root/.cache/", "/var/cache/apt/", "/var/lib/apt/lists/", "/tmp/", "/var/tmp/")
INSTALLERS = ("pip", "ensurepip", "setuptools", "uv")


def walk(folder="/"):
    for entry in os.scandir(folder):
        if entry.path in VIRTUAL:
            continue
        yield entry.path, entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            yield from walk(entry.path)


def writable(status):
    if status.st_uid == UID:
        return True
    if status.st_gid == GID:
        return bool(status.st_mode & stat.S_IWGRP)
    return bool(status.st_mode & stat.S_IWOTH)


found = {"executables": [], "set-id": [], "writable": [], "uncompiled": [], "caches": []}
for path, status in walk():
    is_link = stat.S_ISLNK(status.st_mode)
    if not is_link and writable(status):
        found["writable"].append(path)
    if os.access(path, os.X_OK) and Path(path).is_file():
        found["executables"].append(path)
    if not stat.S_ISREG(status.st_mode):
        continue
    if status.st_mode & (stat.S_ISUID | stat.S_ISGID):
        found["set-id"].append(path)
    if path.startswith(CACHES) and status.st_size:
        found["caches"].append(path)
    is_code = path.startswith("/app/lib/") and path.endswith(".py")
    if is_code and not Path(cache_from_source(path)).exists():
        found["uncompiled"].append(path)
found["path"] = sys.path
found["installers"] = [name for name in INSTALLERS if find_spec(name)]
print(json.dumps(found))
