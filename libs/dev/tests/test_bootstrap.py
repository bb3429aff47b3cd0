import hashlib
import io
import os
import platform
import subprocess
import sys
import zipfile
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread

import dev
import pytest
from dev.bootstrap import wheel_of

SCRIPT = Path(dev.__file__).with_name("bootstrap.py")
LOCK = Path(__file__).parents[3] / "uv.lock"
PROGRAM = b"#!/bin/sh\necho uv 0.13.9\n"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def index(tmp_path):
    """A folder that is served over HTTP, with a wheel in it, and the lock that names the wheel."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("uv-0.13.9.data/scripts/uv", PROGRAM)
    system = {"Linux": "manylinux", "Darwin": "macosx"}[platform.system()]
    name = f"uv-0.13.9-py3-none-{system}_1_{platform.machine()}.whl"
    (tmp_path / name).write_bytes(buffer.getvalue())
    server = HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path))
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/{name}"
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    (tmp_path / "uv.lock").write_text(f'{{ url = "{url}", hash = "sha256:{digest}", size = 1 }}')
    yield tmp_path
    server.shutdown()
    server.server_close()


def bootstrap(folder):
    return subprocess.run(
        [sys.executable, "-I", SCRIPT, "tools", "0.13.9"],
        cwd=folder,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_locked_uv_is_installed_with_python_alone(index):
    assert bootstrap(index).returncode == 0
    uv = index / "tools" / "bin" / "uv"
    assert subprocess.check_output([uv], text=True) == "uv 0.13.9\n"


def test_a_download_that_is_not_the_locked_one_is_refused(index):
    lock = index / "uv.lock"
    lock.write_text(lock.read_text().replace("sha256:", "sha256:0"))
    refused = bootstrap(index)
    assert refused.returncode != 0
    assert refused.stderr == "the download is not the uv that uv.lock names\n"
    assert not (index / "tools").exists()


@pytest.mark.parametrize(
    "system, machine, tag",
    [
        ("Linux", "x86_64", "manylinux_2_17_x86_64"),
        ("Linux", "aarch64", "manylinux_2_17_aarch64"),
        ("Darwin", "arm64", "macosx_11_0_arm64"),
    ],
)
def test_the_lock_of_this_repository_names_a_uv_for(monkeypatch, system, machine, tag):
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    url, digest = wheel_of(LOCK.read_text(), "0.13.9")
    assert tag in url
    assert len(digest) == 64
