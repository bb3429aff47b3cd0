"""The kubectl of the pages for operators is one that kubectl takes, and it finds our pods."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs/deploying.md", *sorted((ROOT / "docs/runbooks").glob("*.md"))]
GLOBAL = ("-n", "-k", "-l", "-it")


def commands(page):
    """Return each kubectl command of a page, without what it runs in a pod and what follows it."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    found = re.findall(r"^kubectl .+", "\n".join(blocks), re.MULTILINE)
    found += re.findall(r"`(kubectl [^\s`]+\s[^`]+)`", prose)
    return [re.split(r" -- |  +#| && ", command)[0] for command in found]


@cache
def usage(verb):
    kubectl = Path(sys.executable).parent / "kubectl"
    asked = subprocess.run([kubectl, *verb, "--help"], capture_output=True, text=True, check=False)
    return asked.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_kubectl_takes_each_command_of_a_page(page):
    for command in commands(page):
        words = shlex.split(command)[1:]
        if words[0] == "-n":
            del words[:2]
        verb = words[:2] if words[0] == "rollout" else words[:1]
        told = usage(tuple(verb))
        assert f"kubectl {' '.join(verb)} " in told, command
        for option in (word.partition("=")[0] for word in words if word.startswith("-")):
            assert option in GLOBAL or f"{option}=" in told, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_command_names_the_namespace_unless_it_applies_the_whole(page):
    for command in commands(page):
        assert re.match(r"kubectl (-n \S+|apply -k)\s", command), command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_page_takes_tini_for_the_service(page):
    assert not re.search(r"--pid 1\b|/proc/1/fd", page.read_text())


def test_a_restored_service_comes_back(production):
    """apply leaves a finished Job and a Deployment that was scaled to zero as they are."""
    page = PAGES[0].read_text()
    steps = ("--replicas=0", "pg_restore", "delete job", "apply -k", "--replicas=2")
    places = [page.index(step, page.index("A restore of orders")) for step in steps]
    assert places == sorted(places)
    jobs = [d["metadata"] for d in production if d["kind"] == "Job"]
    assert "orders" in {job["labels"]["app.kubernetes.io/name"] for job in jobs}
