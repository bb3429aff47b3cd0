from pathlib import Path

import pytest
import starlark
import starlark_go
import yaml
from chassis_core.contract import load
from dev.manifests import pods, render
from dev.ports import SERVICES, port

ROOT = Path(__file__).parents[2]
CONTEXTS = {
    "kind-chassis",
    "k3d-chassis",
    "docker-desktop",
    "minikube",
    "orbstack",
    "rancher-desktop",
}
# Parameters of Tilt's functions, as far as the Tiltfile uses them.
SIGNATURES = {
    "allow_k8s_contexts": "contexts",
    "ci_settings": "timeout readiness_timeout",
    "docker_build": "ref context build_args only ignore live_update",
    "fail": "message",
    "fall_back_on": "paths",
    "k8s_resource": "workload port_forwards resource_deps trigger_mode links labels",
    "k8s_yaml": "yaml",
    "link": "url name",
    "listdir": "directory",
    "local": "command quiet",
    "local_resource": "name cmd auto_init trigger_mode resource_deps labels",
    "port_forward": "local_port container_port name",
    "sync": "local_path remote_path",
    "update_settings": "max_parallel_updates k8s_upsert_timeout_secs",
    "version_settings": "constraint",
    "watch_settings": "ignore",
}


class Failed(Exception):
    """The Tiltfile called fail()."""


class Tilt:
    """Records what a Tiltfile asks for; the rendering of the overlay is the only thing it does."""

    def __init__(self, root=ROOT, context="kind-chassis", command="up"):
        self.root, self.context, self.command, self.calls = root, context, command, []

    def functions(self):
        recorded = {name: self.recorder(name, names.split()) for name, names in SIGNATURES.items()}
        return recorded | {
            "k8s_context": lambda: self.context,
            "kustomize": lambda folder: yaml.safe_dump_all(render(self.root / folder)),
            "decode_yaml_stream": lambda text: list(yaml.safe_load_all(text)),
        }

    def recorder(self, name, parameters):
        def called(*given, **named):
            call = dict(zip(parameters, given, strict=False)) | named
            assert len(given) <= len(parameters), f"{name} has no parameter {len(given)}"
            assert call.keys() <= set(parameters), f"{name} has no {call.keys() - set(parameters)}"
            self.calls.append((name, call))
            if name == "fail":
                raise Failed(call["message"])
            return {"call": name, **call}

        return called

    def of(self, name):
        return [call for called, call in self.calls if called == name]

    def run(self):
        """Run the Tiltfile in starlark-rust, which also lints it."""
        module, dialect = starlark.Module(), starlark.Dialect.standard()
        dialect.enable_top_level_stmt = True
        for name, function in self.functions().items():
            module.add_callable(name, function)
        module["TRIGGER_MODE_MANUAL"] = "manual"
        text = f"config = struct(tilt_subcommand = '{self.command}')\n{self.text()}"
        parsed = starlark.parse("Tiltfile", text, dialect)
        extended = starlark.Globals.extended_by([starlark.LibraryExtension.StructType])
        starlark.eval(module, parsed, extended)
        return self

    def text(self):
        return (self.root / "Tiltfile").read_text()


@pytest.fixture(scope="module")
def tilt():
    return Tilt().run()


def images(documents, kinds=("Deployment", "Job", "StatefulSet")):
    return {
        container["image"].partition(":")[0]
        for pod in pods(documents)
        if pod.workload["kind"] in kinds
        for container in pod.containers
    }


def workloads(documents):
    return {pod.workload["metadata"]["name"] for pod in pods(documents)}


def test_every_image_that_is_built_is_deployed_and_every_own_image_is_built(tilt, local):
    built = {call["ref"] for call in tilt.of("docker_build")}
    assert built == {image for image in images(local) if image.startswith("chassis/")}


def test_every_resource_is_a_workload_and_every_workload_has_its_place(tilt, local):
    named = [call["workload"] for call in tilt.of("k8s_resource")]
    assert sorted(named) == sorted(workloads(local))
    assert all(call["labels"] for call in tilt.of("k8s_resource") + tilt.of("local_resource"))


def test_services_wait_for_their_migration_and_nothing_waits_in_a_circle(tilt):
    resources = tilt.of("k8s_resource") + tilt.of("local_resource")
    waits = {
        call.get("workload", call.get("name")): set(call.get("resource_deps", ()))
        for call in resources
    }
    assert waits["orders"] >= {"orders-migrate", "redis"}
    assert waits["orders-migrate"] == {"postgres"}
    while waits:
        free = {name for name, others in waits.items() if not others & waits.keys()}
        assert free, f"a circle among {sorted(waits)}"
        waits = {name: others for name, others in waits.items() if name not in free}


def test_everything_that_is_waited_for_exists(tilt):
    resources = tilt.of("k8s_resource") + tilt.of("local_resource")
    names = {call.get("workload", call.get("name")) for call in resources}
    assert {dep for call in resources for dep in call.get("resource_deps", ())} <= names


def test_no_two_forwards_share_a_port_and_each_leads_to_a_port_of_its_pod(tilt, local):
    forwards = [
        (call["workload"], forward)
        for call in tilt.of("k8s_resource")
        for forward in call.get("port_forwards", ())
    ]
    local_ports = [forward["local_port"] for _, forward in forwards]
    assert len(local_ports) == len(set(local_ports))
    ours = {port({}, service, admin=admin) for service in SERVICES for admin in (False, True)}
    assert set(local_ports) == ours | {3000, 9090, 16686}
    for name, forward in forwards:
        (pod,) = [pod for pod in pods(local) if pod.workload["metadata"]["name"] == name]
        ports = [port for container in pod.containers for port in container["ports"]]
        assert forward["container_port"] in {port["containerPort"] for port in ports}


def test_changed_sources_land_where_the_container_reloads_from(tilt, local):
    for call in tilt.of("docker_build"):
        service = call["ref"].removeprefix("chassis/")
        syncs = [step for step in call["live_update"] if step["call"] == "sync"]
        falls = [path for step in call["live_update"] for path in step.get("paths", ())]
        for path in [*call["only"], *falls, *(step["local_path"] for step in syncs)]:
            assert (ROOT / path).exists(), path
        for step in syncs:
            assert any(step["local_path"].startswith(path) for path in call["only"])
            assert step["remote_path"] == f"/tmp/live/{Path(step['local_path']).name}"
        assert {"uv.lock", f"services/{service}/pyproject.toml"} <= set(falls)
        (pod,) = [pod for pod in pods(local) if pod.name == f"Deployment/{service}"]
        assert "/tmp/live" in pod.spec["containers"][0]["command"]


def test_an_image_has_all_that_its_dockerfile_copies(tilt):
    copied = {
        word.rstrip("/")
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    for call in tilt.of("docker_build"):
        for path in copied:
            assert path.partition("/")[0] in call["only"] or path in call["only"], path
        assert call["build_args"].keys() == {"SERVICE", "PORT", "ADMIN_PORT"}


@pytest.mark.parametrize("context", ["prod", "gke_project_zone_chassis", "kind-other", ""])
def test_a_cluster_that_is_not_local_is_refused_before_anything_is_built(context):
    tilt = Tilt(context=context)
    with pytest.raises(starlark.StarlarkError, match="is not one of the local clusters"):
        tilt.run()
    assert tilt.of("k8s_yaml") == tilt.of("docker_build") == []
    assert set(tilt.of("allow_k8s_contexts")[0]["contexts"]) == CONTEXTS


def test_buttons_run_when_they_are_pressed_and_the_demo_also_in_ci(tilt):
    assert {call["name"]: call["auto_init"] for call in tilt.of("local_resource")} == {
        "demo": False,
        "load": False,
        "e2e": False,
    }
    in_ci = Tilt(command="ci").run().of("local_resource")
    assert [call["name"] for call in in_ci if call["auto_init"]] == ["demo"]
    for call in in_ci:
        programs = [word for word in call["cmd"].split() if (ROOT / word).is_file()]
        assert programs, call["cmd"]


def test_links_lead_to_forwarded_ports(tilt):
    links = {
        link["name"]: link["url"] for c in tilt.of("k8s_resource") for link in c.get("links", ())
    }
    assert links.keys() == {"Swagger", "Jaeger", "Grafana"}


def test_a_new_service_is_built_deployed_and_forwarded(repository):
    name, tilt = "parcel-lockers", Tilt(root=repository).run()
    (built,) = [call for call in tilt.of("docker_build") if call["ref"] == f"chassis/{name}"]
    assert all((repository / step["local_path"]).exists() for step in built["live_update"][1:])
    named = {call["workload"]: call for call in tilt.of("k8s_resource")}
    assert f"{name}-migrate" in named[name]["resource_deps"]
    member = load(repository).services[name]
    forwarded = [one["local_port"] for one in named[name]["port_forwards"]]
    assert forwarded == [member.port, member.admin_port]
    assert all(name in call["resource_deps"] for call in tilt.of("local_resource")[:2])


def test_the_cluster_is_one_that_tilt_takes_and_runs_what_the_manifests_are_checked_for():
    documents = list(yaml.safe_load_all((ROOT / "deploy/local/cluster.yaml").read_text()))
    registry, cluster = documents
    assert cluster["name"] in CONTEXTS
    assert cluster["registry"] == registry["name"]
    assert f"kind-{cluster['kindV1Alpha4Cluster']['name']}" == cluster["name"]
    for node in cluster["kindV1Alpha4Cluster"]["nodes"]:
        assert node["image"].startswith("kindest/node:v1.37.")


def test_tilts_own_dialect_runs_it_too():
    starlark_go.configure_starlark(allow_set=True, allow_global_reassign=True, allow_recursion=True)
    tilt = Tilt()
    text = tilt.text().replace("config.tilt_subcommand", "'up'")
    own = {**tilt.functions(), "TRIGGER_MODE_MANUAL": "manual"}
    starlark_go.Starlark(globals=own).exec(text, filename="Tiltfile")
    assert tilt.calls == Tilt().run().calls


def test_it_is_short_and_loads_nothing():
    text = Tilt().text()
    assert len(text.splitlines()) <= 60
    assert "load(" not in text.replace("reload(", "")
