import pytest
from chassis_core.concerns.database import DatabaseSettings
from pydantic import ValidationError


@pytest.mark.parametrize(
    "given, used",
    [
        ("postgres://u:p@h:1/n", "postgresql+asyncpg://u:p@h:1/n"),
        ("postgresql://u:p@h/n", "postgresql+asyncpg://u:p@h/n"),
        ("postgresql+psycopg://u:p@h/n", "postgresql+asyncpg://u:p@h/n"),
        ("postgresql://h/n?sslmode=require", "postgresql+asyncpg://h/n?ssl=require"),
        ("sqlite:///file.db", "sqlite+aiosqlite:///file.db"),
        ("sqlite+aiosqlite:////var/file.db", "sqlite+aiosqlite:////var/file.db"),
    ],
)
def test_any_usual_form_of_the_url_gets_the_driver_that_is_used(given: str, used: str) -> None:
    url = DatabaseSettings(url=given).address
    assert url.render_as_string(hide_password=False) == used


@pytest.mark.parametrize(
    "url", ["mysql://u:s3cr3t@h/n", "s3cr3t", "postgresql://u:s3cr3t@h:x/n", ""]
)
def test_a_wrong_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValidationError, match="url must look like postgresql://") as failure:
        DatabaseSettings(url=url)
    assert "s3cr3t" not in str(failure.value)


def test_the_password_is_in_no_representation() -> None:
    settings = DatabaseSettings(url="postgresql://u:s3cr3t@h/n", password="t0ken")
    shown = repr(settings) + str(settings) + settings.model_dump_json() + repr(settings.address)
    assert "s3cr3t" not in shown
    assert "t0ken" not in shown


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_known_as_such(url: str) -> None:
    assert DatabaseSettings(url=url).in_memory
    assert not DatabaseSettings(url="sqlite:///file.db").in_memory
