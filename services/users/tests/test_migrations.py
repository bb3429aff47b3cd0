from pathlib import Path

import users
from chassis_core.concerns.database import DatabaseSettings
from chassis_core.migrations import check, current, downgrade, head, migrations_of, upgrade
from pydantic import SecretStr
from users.settings import Settings

MIGRATIONS = migrations_of(Settings)


def test_the_migrations_travel_in_the_package():
    assert Path(users.__file__).parent / "migrations" == MIGRATIONS


async def test_up_down_and_up_again_makes_what_the_models_say(database_url):
    settings = DatabaseSettings(url=SecretStr(database_url))
    for _ in range(2):
        await upgrade(settings, MIGRATIONS)
        assert await current(settings) == head(MIGRATIONS)
        await check(settings, MIGRATIONS)
        await downgrade(settings, MIGRATIONS, to="base")
        assert await current(settings) is None
