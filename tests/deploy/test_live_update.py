import io
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from dev.images import NoEngine, build, client
from dev.manifests import pods
from dev.waiting import until

RELOAD = Path(__file__).parents[2] / "deploy/k8s/components/live-update/reload.py"
COMMAND = "import orders, signal, sys; print('from', orders.__file__, flush=True); signal.pause()"


@pytest.fixture
def live(tmp_path, foreign_free):
    """The reloader with a command in place of the service, and what it has printed so far."""
    output, folder = (tmp_path / "output").open("wb"), tmp_path / "live"
    process = subprocess.Popen(
        [sys.executable, RELOAD, folder, sys.executable, "-c", COMMAND],
        env=foreign_free | {"CHASSIS_SERVICE": "orders", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process, folder, tmp_path / "output"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output.close()


def test_a_changed_file_restarts_the_service_from_the_changed_sources(live):
    process, folder, output = live
    until(lambda: output.read_text().count("from") == 1, 20, "it did not start")
    assert str(folder / "orders/__init__.py") in output.read_text()
    assert (folder / "chassis_core/app.py").is_file()
    (folder / "orders/api.py").write_text("# changed\n")
    until(lambda: output.read_text().count("from") == 2, 20, "it did not start again")
    (folder / "orders/__init__.py").write_text("raise RuntimeError('broken edit')\n")
    until(lambda: "broken edit" in output.read_text(), 20, "the broken edit was not run")
    assert process.poll() is None
    (folder / "orders/__init__.py").write_text("\n")
    until(lambda: output.read_text().count("from") == 3, 20, "it did not mend")


def test_sigterm_reaches_the_service_and_its_exit_code_comes_back(live):
    process, _, output = live
    until(lambda: "from" in output.read_text(), 20, "it did not start")
    process.terminate()
    assert process.wait(10) == -signal.SIGTERM % 256


def test_a_service_that_is_not_installed_is_named(tmp_path):
    variables = os.environ | {"CHASSIS_SERVICE": "nobody"}
    done = subprocess.run(
        [sys.executable, RELOAD, tmp_path, "true"],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "reload: nobody is not installed\n")


@pytest.fixture
def container(local):
    """The image of orders as its pod in a developer's cluster runs it, without the cluster."""
    try:
        docker = client()
    except NoEngine as missing:
        if os.environ.get("CHASSIS_REQUIRE_DOCKER"):
            raise
        pytest.skip(str(missing))
    (pod,) = [pod for pod in pods(local) if pod.name == "Deployment/orders"]
    (main,), user = pod.spec["containers"], pod.spec["securityContext"]["runAsUser"]
    assert main["securityContext"]["readOnlyRootFilesystem"] is True
    entrypoint, *rest = [*main["command"], *main["args"]]
    settings = ["--env", "ORDERS_DATABASE__URL=sqlite:////tmp/orders.db"]
    limits = ["--read-only", "--tmpfs=/tmp:mode=1777,size=64m", "--cap-drop=ALL"]
    identity = [f"--user={user}:{user}", "--security-opt=no-new-privileges"]
    mounted = [f"--volume={RELOAD}:/reload/reload.py:ro", f"--entrypoint={entrypoint}"]
    options = [*settings, *limits, *identity, *mounted]
    command = [docker, "run", "--detach", *options, build("orders"), *rest]
    name = subprocess.check_output(command, text=True).strip()
    try:
        yield docker, name
    finally:
        subprocess.run([docker, "rm", "--force", name], check=True, capture_output=True)


@pytest.mark.docker
@pytest.mark.timeout(300)  # the image may have to be built first
def test_a_read_only_container_takes_changed_files_as_tilt_copies_them(container):
    docker, name = container

    def logs():
        command = [docker, "logs", name]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    until(lambda: '"listening"' in logs(), 60, "the service did not start")
    archive, edit = io.BytesIO(), b"print('edited', flush=True)\n"
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("tmp/live/orders/__init__.py")
        entry.size = len(edit)
        tar.addfile(entry, io.BytesIO(edit))
    copied = [docker, "exec", "--interactive", name, "tar", "-C", "/", "-x", "-f", "-"]
    subprocess.run(copied, input=archive.getvalue(), check=True)
    until(lambda: "edited" in logs(), 60, "the service did not start again")
    until(lambda: logs().count('"listening"') == 2, 60, "the service does not serve again")
