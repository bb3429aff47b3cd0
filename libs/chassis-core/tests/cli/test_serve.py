"""`chassis serve` before it serves: which service, and on what."""

import re
import socket

import pytest
from chassis_core.cli import app
from chassis_core.cli.services import create
from chassis_core.server import FAILED_TO_START
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


def test_an_image_names_its_service_once_for_every_command(monkeypatch, tmp_path):
    monkeypatch.setenv("CHASSIS_SERVICE", "orders")
    monkeypatch.setenv("ORDERS_DATABASE__URL", f"sqlite+aiosqlite:///{tmp_path / 'orders.db'}")
    result = CliRunner().invoke(app, ["migrate"])
    assert result.exit_code == 0
    assert re.fullmatch(r"orders: migrated from nothing to \d{4}\n", result.output)


def test_an_image_names_the_address_of_its_listeners(monkeypatch, capsys):
    monkeypatch.setenv("CHASSIS_SERVICE", "orders")
    monkeypatch.setenv("CHASSIS_HOST", "192.0.2.1")
    with pytest.raises(SystemExit) as ended:
        app(["serve"], standalone_mode=False)
    assert ended.value.code == FAILED_TO_START
    assert "of 192.0.2.1 cannot be had" in capsys.readouterr().err


def test_a_taken_port_is_named_with_the_variable_that_moves_it(capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        arguments = ["serve", "orders", "--port", "0", "--admin-port", str(taken.getsockname()[1])]
        with pytest.raises(SystemExit) as ended:
            app(arguments, standalone_mode=False)
    assert ended.value.code == FAILED_TO_START
    assert "choose another by --admin-port or ORDERS_SERVER__ADMIN_PORT" in capfd.readouterr().err
