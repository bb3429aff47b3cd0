"""The migrations of orders, on both databases."""

from pathlib import Path

from chassis_core.testing.migrations import assert_migrations_sound

MIGRATIONS = Path(__file__).parents[1] / "migrations"


async def test_the_migrations_go_up_down_and_up_and_make_what_the_models_say(database_url: str):
    await assert_migrations_sound(database_url, MIGRATIONS)
