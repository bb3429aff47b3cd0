"""A healthy service keeps every promise; each sabotage breaks those that it must."""

import pytest
from chassis_core.testing.conformance import PROMISES, ask, examining
from notes.main import app
from sabotages import SABOTAGES, Sabotage

BY_NAME = {promise.name: promise for promise in PROMISES}


async def test_a_healthy_service_keeps_every_promise():
    async with examining(app) as subject:
        verdicts = [await ask(promise, subject) for promise in PROMISES]
    assert {v.promise.name: v.text for v in verdicts if v.outcome != "kept"} == {}


@pytest.mark.parametrize("sabotage", SABOTAGES.values(), ids=SABOTAGES.keys())
async def test_a_sabotage_breaks_what_it_must(sabotage: Sabotage, monkeypatch):
    if sabotage.weaken is not None:
        sabotage.weaken(monkeypatch)
    async with examining(sabotage.make) as subject:
        verdicts = [await ask(BY_NAME[name], subject) for name in sabotage.breaks.split()]
    for verdict in verdicts:
        print(verdict.promise.name, "-", verdict.text)
    assert {v.promise.name for v in verdicts if v.outcome != "broken"} == set()
    assert not [v.text for v in verdicts if v.text.startswith("asking failed")]


def test_every_promise_is_broken_by_a_sabotage():
    broken = {name for sabotage in SABOTAGES.values() for name in sabotage.breaks.split()}
    assert broken == BY_NAME.keys()


def test_every_promise_has_a_name_of_its_own_and_says_and_explains_itself_in_sentences():
    assert len(BY_NAME) == len(PROMISES)
    for promise in PROMISES:
        assert promise.name == promise.name.lower().replace(" ", "-")
        assert promise.says.endswith(".")
        assert promise.why.endswith(".")
