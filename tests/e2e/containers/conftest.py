from contextlib import closing
from pathlib import Path

import docker
import pytest
from dev.containers import HARDENED, LABELS

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what needs an engine, before the folder above gathers it on one worker."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session")
def engine(built):
    """The Docker engine."""
    with closing(docker.from_env()) as client:
        yield client


@pytest.fixture(scope="session")
def ran(engine):
    """Runs a command in a hardened container of an image; returns its exit code and output."""

    def run(image, command, **options):
        options = {**HARDENED, "labels": LABELS, **options}
        container = engine.containers.run(image, command, detach=True, **options)
        try:
            return container.wait(timeout=60)["StatusCode"], container.logs().decode()
        finally:
            container.remove(force=True, v=True)

    return run
