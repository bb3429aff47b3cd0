"""Every alert fires when it should and only then: promtool evaluates the rules on alerts.yaml."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / "deploy/observability"
CASES = yaml.load((HERE / "alerts.yaml").read_text(), yaml.BaseLoader)  # 0x20 is no number
TELLING = ("severity", "window")
"""The labels by which rules of one alert differ."""


def rule_of(case_or_rule):
    labels = case_or_rule["labels"]
    return case_or_rule["alert"], *(labels.get(name) for name in TELLING)


def name_of(case):
    return "-".join(filter(None, (*rule_of(case), case["labels"].get("slo"))))


def test_every_alert_has_a_case_and_every_case_an_alert(rules):
    alerts = {rule_of(rule) for rule in rules if "alert" in rule}
    assert {rule_of(case) for case in CASES} == alerts


def braces(labels):
    return "{" + ", ".join(f"{name}={json.dumps(value)}" for name, value in labels.items()) + "}"


def alerts(case, state):
    """The series of this rule's alerts in a state."""
    labels = {"alertname": case["alert"], "alertstate": state}
    labels |= {name: case["labels"][name] for name in (*TELLING, "slo") if name in case["labels"]}
    return f"ALERTS{braces(labels)}"


def asked(case, expression, expected):
    return {"expr": expression, "eval_time": case["at"], "exp_samples": expected}


def firing(case):
    labels = {"alertname": case["alert"], "alertstate": "firing", **case["labels"]}
    return asked(case, alerts(case, "firing"), [{"labels": f"ALERTS{braces(labels)}", "value": 1}])


def silent(case):
    return asked(case, alerts(case, "firing"), [])


def pending_before(case, *, waits):
    labels = {"alertname": case["alert"], "alertstate": "pending", **case["labels"]}
    seen = [{"labels": braces(labels), "value": 1}] if waits else []
    return asked(case, f"max_over_time({alerts(case, 'pending')}[{case['at']}])", seen)


def scene(series, *questions):
    given = [{"series": name, "values": values} for name, values in series.items() if name != "why"]
    return {"interval": "1m", "input_series": given, "promql_expr_test": list(questions)}


def play(promtool, folder, case, *scenes):
    """Evaluate the rules of the alert's file; those of days in steps that tests can wait for."""
    rules = "slo" if "slo" in case["labels"] else "operations"
    step = "5m" if case["labels"].get("window", "").endswith("d") else "1m"
    return run(promtool, folder, scenes, rules=rules, step=step)


def run(promtool, folder, scenes, *, rules="*", step="1m"):
    tests = {
        "rule_files": [str(file) for file in sorted(FOLDER.glob(f"prometheus/rules/{rules}.yml"))],
        "evaluation_interval": step,
        "tests": list(scenes),
    }
    (folder / "tests.yml").write_text(yaml.safe_dump(tests))
    command = [promtool, "test", "rules", str(folder / "tests.yml")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_alert_fires_once_it_has_waited(promtool, tmp_path, rules, case):
    [rule] = [rule for rule in rules if "alert" in rule and rule_of(rule) == rule_of(case)]
    wait = pending_before(case, waits="for" in rule)
    told = play(promtool, tmp_path, case, scene(case["fires"], firing(case), wait))
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_alert_stays_silent(promtool, tmp_path, case):
    told = play(promtool, tmp_path, case, *(scene(each, silent(case)) for each in case["quiet"]))
    assert told.returncode == 0, told.stdout + told.stderr


def test_nothing_fires_on_services_that_are_well(promtool, tmp_path):
    well = {
        'up{job="chassis", service="users", instance="a"}': "1x120",
        'up{job="otel-collector", instance="c"}': "1x120",
        'health_check_up{service="users", instance="a", check="database"}': "1x120",
        'auth_jwks_age_seconds{service="users", instance="a"}': "200x120",
        'redis_breaker_open{service="users", instance="a"}': "0x120",
        'outbox_oldest_event_seconds{service="orders", instance="a"}': "0x120",
        'http_server_request_duration_seconds_count{service="users", '
        'http_response_status_code="200"}': "0+100x120",
        'http_server_request_duration_seconds_bucket{service="users", '
        'http_response_status_code="200", le="0.5"}': "0+100x120",
    }
    nothing = {"expr": "ALERTS", "eval_time": "110m", "exp_samples": []}
    told = run(promtool, tmp_path, [scene(well, nothing)])
    assert told.returncode == 0, told.stdout + told.stderr


def test_a_case_that_expects_the_wrong_answer_fails(promtool, tmp_path):
    case = CASES[0]
    assert play(promtool, tmp_path, case, scene(case["fires"], silent(case))).returncode != 0
    assert play(promtool, tmp_path, case, scene(case["quiet"][0], firing(case))).returncode != 0
