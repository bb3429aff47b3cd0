"""`chassis serve` before it serves: which service, and on what."""

import pytest
from chassis_core.cli import app
from chassis_core.cli.services import create
from typer.testing import CliRunner


def test_an_unknown_service_is_one_line_that_names_the_nearest():
    with pytest.raises(SystemExit, match=r"no service .order. is installed; did you mean orders?"):
        create("order")


def test_an_unknown_service_that_resembles_none_lists_those_there_are():
    with pytest.raises(SystemExit, match=r"there are: .*orders, users"):
        create("zzz")


def test_a_port_that_is_none_is_refused():
    result = CliRunner().invoke(app, ["serve", "orders", "--port", "70000"])
    assert result.exit_code == 2
    assert "--port" in result.output
