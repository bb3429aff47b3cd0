from pathlib import Path

import pytest
from chassis_core.cli import app
from typer.testing import CliRunner, Result

FILES = {
    "shelf/main.py": """
from chassis_core import create_app
from shelf.settings import Settings

def app():
    return create_app(Settings())
""",
    "shelf/migrations/script.py.mako": """revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
import sqlalchemy as sa
from alembic import op

def upgrade():
    ${upgrades if upgrades else "pass"}

def downgrade():
    ${downgrades if downgrades else "pass"}
""",
}


@pytest.fixture
def shelf(install) -> Path:
    """An installed service with models and no migration yet."""
    return install("shelf", FILES, table="books")


def migrate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["migrate", *arguments], catch_exceptions=False)


def test_a_service_goes_from_models_to_a_migrated_database_and_back(shelf: Path) -> None:
    assert "shelf: " in (drift := migrate("shelf", "--check").output)
    assert "books" in drift
    assert migrate("shelf", "--new", "books").exit_code == 0
    (script,) = (shelf / "shelf/migrations/versions").glob("*_books.py")
    revision = script.name.partition("_")[0]
    assert migrate("shelf").output == f"shelf: migrated from nothing to {revision}\n"
    assert migrate("shelf").output == f"shelf: already at {revision}\n"
    assert migrate("shelf", "--check").exit_code == 0
    down = migrate("shelf", "--down", "base")
    assert down.output == f"shelf: migrated from {revision} to nothing\n"


def test_the_migration_of_an_older_release_ends_well_after_a_rollback(shelf: Path) -> None:
    assert migrate("shelf", "--new", "books").exit_code == 0
    assert migrate("shelf").exit_code == 0
    (script,) = (shelf / "shelf/migrations/versions").glob("*_books.py")
    script.unlink()
    older = migrate("shelf")
    assert older.exit_code == 0
    assert f"left at {script.name.partition('_')[0]}, which is not known here" in older.output


def test_drift_is_a_failure(shelf: Path) -> None:
    assert migrate("shelf", "--check").exit_code == 1


def test_an_unknown_service_is_named_beside_the_known(shelf: Path) -> None:
    refused = migrate("shelv")
    assert refused.exit_code == 1
    assert "no service 'shelv'" in refused.output
    assert "shelf" in refused.output


def test_a_service_without_migrations_is_told_where_they_belong(shelf: Path) -> None:
    (shelf / "shelf/migrations/env.py").unlink()
    assert "migrations/env.py" in migrate("shelf").output


def test_a_database_that_cannot_be_reached_is_one_line(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELF_DATABASE__URL", "postgresql://u:s3cr3t@127.0.0.1:1/none")
    refused = migrate("shelf")
    assert refused.exit_code == 1
    assert refused.output.startswith("shelf: the database refuses: ")
    assert "s3cr3t" not in refused.output


def test_a_database_in_memory_is_not_worth_migrating(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHELF_DATABASE__URL")
    assert "in memory" in migrate("shelf").output
