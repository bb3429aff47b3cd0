import subprocess
import sys
from pathlib import Path

import pytest
from chassis_core.cli.scaffold import planned
from dev import manifests

ROOT = Path(__file__).parents[2]
K8S = ROOT / "deploy/k8s"


@pytest.fixture(scope="session")
def k8s():
    """The folder of the manifests."""
    return K8S


@pytest.fixture(scope="session")
def local():
    """The documents of the overlay for a developer's cluster."""
    return manifests.render(K8S / "overlays/local")


@pytest.fixture(scope="session")
def production():
    """The documents of the overlay for a real cluster."""
    return manifests.render(K8S / "overlays/production")


@pytest.fixture(params=["local", "production"])
def documents(request):
    """The documents of each overlay."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def repository(copy):
    """A copy of the repository in which `chassis new service` has made one."""
    planned(copy, "parcel-lockers").write()
    written = [sys.executable, str(copy / "deploy/k8s/services.py")]
    subprocess.run(written, check=True, capture_output=True)
    return copy
