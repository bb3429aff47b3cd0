"""The migrations of orders, on both databases."""

from chassis_core.migrations import migrations_of
from chassis_core.testing.migrations import assert_migrations_sound
from orders.settings import Settings

MIGRATIONS = migrations_of(Settings)


async def test_the_migrations_go_up_down_and_up_and_make_what_the_models_say(database_url: str):
    await assert_migrations_sound(database_url, MIGRATIONS)
