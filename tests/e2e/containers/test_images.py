"""The image of each service: what is in it, what is not, and how little it may do."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from dev.images import BASES, ROOT, client, images
from dev.ports import SERVICES, port

SCAN = (Path(__file__).parent / "scan.py").read_text()
BUDGET = 110 * 10**6
CODE = 5 * 10**6
UNWANTED = re.compile(
    r"(cc|c\+\+|gcc|g\+\+|clang|rustc|cargo|go|ld|as|make|cmake|.*-(gcc|g\+\+|ld|as|cpp))(-?[\d.]+)?"
    r"|pip[\d.]*|uv|uvx|easy_install[\d.]*|poetry|conda|git|curl|wget|strip|gdb"
)
NEVER_CODE = {"/tmp", "/var/tmp", "/run/lock"}


@pytest.fixture(params=SERVICES, scope="module")
def service(request):
    return request.param


@pytest.fixture(scope="module")
def image(service, built, engine):
    return engine.images.get(built[service])


@pytest.fixture(scope="module")
def found(image, ran):
    options = {"entrypoint": "python", "user": "0", "cap_add": ["DAC_READ_SEARCH"]}
    code, output = ran(image, ["-I", "-c", SCAN], **options)
    assert code == 0, output
    return json.loads(output)


def test_no_compiler_installer_or_downloader_is_in_it(found):
    names = {Path(path).name: path for path in found["executables"]}
    assert {"tini", "python", "chassis"} <= names.keys()
    assert [path for name, path in names.items() if UNWANTED.fullmatch(name)] == []


def test_python_has_nothing_to_install_with(found):
    assert found["installers"] == []


def test_its_user_can_write_to_temporary_folders_alone_and_owns_none_of_its_code(found):
    assert set(found["writable"]) <= NEVER_CODE


def test_code_comes_from_where_nobody_can_write(found):
    assert not [path for path in found["path"] if not path.startswith(("/usr/", "/app/lib/"))]


def test_no_program_lends_another_users_rights(found):
    assert found["set-id"] == []


def test_all_code_is_compiled(found):
    assert found["uncompiled"] == []


def test_no_package_managers_cache_is_left(found):
    assert found["caches"] == []


def test_it_adds_little_to_its_base(image):
    newest_first = image.history()
    [first] = [n for n, layer in enumerate(newest_first) if "chassis:x:10001:10001" in str(layer)]
    added = sum(layer["Size"] for layer in newest_first[: first + 1])
    assert 10**7 < added <= BUDGET


def test_an_edit_of_our_code_is_a_small_layer_over_that_of_the_dependencies(image):
    layers = [layer for layer in image.history() if layer["Size"]]
    assert "/own" in layers[0]["CreatedBy"]
    assert layers[0]["Size"] < CODE < layers[1]["Size"]


def test_it_says_what_it_is_and_how_it_runs(image, service):
    config = image.attrs["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["/usr/local/bin/tini", "--", "chassis"]
    assert config["Cmd"] == ["serve"]
    assert config["Healthcheck"]["Test"][:2] == ["CMD", "/app/bin/python"]
    listeners = {port({}, service, admin=admin) for admin in (False, True)}
    assert config["ExposedPorts"].keys() == {f"{number}/tcp" for number in listeners}
    labels = {name.rpartition(".")[2]: value for name, value in config["Labels"].items()}
    assert (labels["title"], labels["licenses"]) == (service, "MIT")
    assert re.fullmatch(r"[0-9a-f]{40}|unknown", labels["revision"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", labels["version"])
    assert f"CHASSIS_VERSION={labels['version']}" in config["Env"]


def test_no_environment_and_no_layer_holds_a_secret(image):
    told = json.dumps([image.attrs["Config"]["Env"], image.history()])
    assert not re.search(r"(?i)(password|secret|token|key)=\S", told)


def test_its_commands_need_no_name_of_the_service(image, ran, service):
    url = f"{service.upper()}_DATABASE__URL=sqlite+aiosqlite:////tmp/test.db"
    code, output = ran(image, ["migrate"], environment=[url], tmpfs={"/tmp": ""})
    assert code == 0, output
    assert re.fullmatch(rf"{service}: migrated from nothing to \d{{4}}\n", output)


def test_an_image_of_no_service_is_refused_with_the_argument_that_is_missing(built):
    bases = [part for name in BASES for part in ("--build-arg", f"{name}={images()[name]}")]
    tried = subprocess.run(
        [client(), "build", "--quiet", *bases, str(ROOT)],
        env=os.environ | {"DOCKER_BUILDKIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode != 0
    assert "which one? --build-arg SERVICE=orders" in tried.stderr
