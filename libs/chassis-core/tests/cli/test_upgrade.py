"""`chassis upgrade`: newer templates reach what nobody has edited, and nothing else."""

from shutil import copytree

import pytest
from chassis_core.cli import app
from chassis_core.cli.scaffold import rendering
from typer.testing import CliRunner

MAIN = "services/payments/src/payments/main.py"
API = "services/payments/src/payments/api.py"
APPLIED = "services/payments/src/payments/migrations/versions/0001_payments.py"


def chassis(*arguments):
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def newer(platform, tmp_path, monkeypatch):
    """A platform with a service, and templates that have changed since it was made."""
    assert chassis("new", "service", "payments").exit_code == 0
    templates = copytree(rendering.TEMPLATES, tmp_path / "templates")
    for path in ("main.py", "api.py", "migrations/versions/0001_PACKAGE.py"):
        template = templates / f"services/NAME/src/PACKAGE/{path}.tmpl"
        template.write_text(template.read_text() + "\n# newer\n")
    (templates / "services/NAME/NOTES.md.tmpl").write_text("# $name\n")
    monkeypatch.setattr(rendering, "TEMPLATES", templates)
    return platform


def test_what_was_just_made_is_not_stale(platform):
    chassis("new", "service", "payments")
    assert chassis("upgrade", "--check").exit_code == 0
    assert chassis("upgrade").output == ""


def test_what_nobody_has_edited_is_renewed_and_the_rest_is_named(newer):
    edited = (newer / API).read_text() + "\n# mine\n"
    (newer / API).write_text(edited)
    told = chassis("upgrade").output
    assert f"wrote {MAIN}\n" in told
    assert "wrote services/payments/NOTES.md\n" in told
    assert f"left {API}, which is edited: chassis upgrade --show {API} | diff {API} -\n" in told
    assert (newer / MAIN).read_text().endswith("# newer\n")
    assert (newer / API).read_text() == edited
    assert chassis("upgrade", "--show", API).output.endswith("# newer\n")


def test_a_migration_is_never_changed(newer):
    before = (newer / APPLIED).read_text()
    assert APPLIED not in chassis("upgrade").output
    assert (newer / APPLIED).read_text() == before


def test_what_is_told_once_is_told_no_more(newer):
    (newer / API).write_text("# mine\n")
    assert chassis("upgrade", "payments").exit_code == 0
    assert chassis("upgrade", "--check").exit_code == 0
    assert chassis("upgrade").output == ""


def test_a_check_names_what_is_stale_and_writes_nothing(newer, files):
    before = files()
    checked = chassis("upgrade", "--check")
    assert (checked.exit_code, f"stale: {MAIN} (pristine)\n" in checked.output) == (1, True)
    assert files() == before


def test_a_file_that_was_removed_stays_away(newer):
    (newer / MAIN).unlink()
    chassis("upgrade")
    assert not (newer / MAIN).exists()


def test_a_file_that_cannot_be_read_is_one_that_somebody_has_edited(newer):
    (newer / API).write_bytes(b"\xff")
    (newer / MAIN).unlink()
    (newer / MAIN).mkdir()
    done = chassis("upgrade")
    assert done.exit_code == 0
    assert f"left {API}, which is edited" in done.output
    assert f"left {MAIN}, which is edited" in done.output
    assert (newer / API).read_bytes() == b"\xff"


def test_what_was_done_is_told_when_a_later_service_fails(newer):
    assert chassis("new", "service", "shipping").exit_code == 0
    extra = rendering.TEMPLATES / "services/NAME/extra/MORE.md.tmpl"
    extra.parent.mkdir()
    extra.write_text("# $name\n")
    (newer / "services/shipping/extra").write_text("in the way")
    done = chassis("upgrade")
    assert done.exit_code == 1
    assert f"wrote {MAIN}\n" in done.output
    assert "services/shipping/extra" in done.output


def test_a_service_that_no_template_made_is_refused(newer):
    assert chassis("upgrade", "orders").exit_code == 1
    assert "no template makes this file" in chassis("upgrade", "--show", "README.md").output
