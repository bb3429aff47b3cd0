"""Every alert has a page that helps, and a page names only what exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNBOOKS = sorted((ROOT / "docs/runbooks").glob("*.md"))
SOURCES = ("libs/chassis-core/src", "services/orders/src", "services/users/src")
# What other tools call the things on their pages.
FOREIGN = {"Status → Target health", "Service discovery", "Last State"}


@pytest.fixture(scope="session")
def alerting(rules):
    return [rule for rule in rules if "alert" in rule]


@pytest.fixture(scope="session")
def source():
    files = [file for folder in SOURCES for file in (ROOT / folder).rglob("*.py")]
    return "\n".join(file.read_text() for file in files)


def test_every_alert_says_how_bad_it_is_and_what_to_read(alerting):
    for rule in alerting:
        words = rule["annotations"]
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule["alert"]
        assert set(words) == {"summary", "description", "runbook_url"}, rule["alert"]
        assert words["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"


def test_every_alert_has_a_runbook_and_every_runbook_an_alert(alerting):
    assert {file.stem for file in RUNBOOKS} == {rule["alert"] for rule in alerting}


@pytest.mark.parametrize("file", RUNBOOKS, ids=lambda file: file.stem)
def test_a_runbook_says_what_it_means_what_to_look_at_and_what_to_do(file):
    meaning, look, do = re.fullmatch(
        rf"# {file.stem}\n\n(.+)\n\n## Look at\n\n(.+)\n\n## Do\n\n(.+)\n",
        file.read_text(),
        re.DOTALL,
    ).groups()
    assert meaning.startswith(("Page", "Ticket"))
    assert look.startswith("1. ")
    assert do.startswith("- ")


@pytest.mark.parametrize("file", RUNBOOKS, ids=lambda file: file.stem)
def test_a_runbook_is_as_urgent_as_its_alert(file, alerting):
    told = {word.lower() for word in re.findall(r"\b(Page|Ticket|page|ticket)\b", file.read_text())}
    severities = {r["labels"]["severity"] for r in alerting if r["alert"] == file.stem}
    assert severities <= told


@pytest.mark.parametrize("file", RUNBOOKS, ids=lambda file: file.stem)
def test_the_dashboards_and_panels_that_a_runbook_names_exist(file, dashboards):
    titles = {each["title"] for each in dashboards.values()}
    titles |= {panel["title"] for each in dashboards.values() for panel in each["panels"]}
    named = set(re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", file.read_text()))
    assert named <= titles | FOREIGN


@pytest.mark.parametrize("file", RUNBOOKS, ids=lambda file: file.stem)
def test_the_alerts_and_log_events_that_a_runbook_names_exist(file, source):
    text = file.read_text()
    for event in re.findall(r"event `([^`]+)`", text):
        assert f'"{event}"' in source, event
    others = set(re.findall(r"\b(?:[A-Z][a-z]+){2,}\b", re.sub(r"`[^`]*`", "", text)))
    alerts = {runbook.stem for runbook in RUNBOOKS}
    known = {
        "PostgreSQL",
        "PgBouncer",
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ConfigMap",
        "NetworkPolicy",
    }
    assert others <= alerts | known
