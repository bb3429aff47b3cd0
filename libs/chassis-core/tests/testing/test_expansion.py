"""Which migrations the version that still serves would not survive."""

from pathlib import Path

import pytest
from chassis_core.testing.expansion import assert_expands

HEAD = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
"""


def write(folder: Path, upgrade: str, head: str = "") -> Path:
    (folder / "versions").mkdir()
    first = 'down_revision = None\ndef upgrade():\n    op.drop_table("anything")\n'
    (folder / "versions" / "0001.py").write_text(first)
    text = f"{HEAD}{head}\ndef upgrade():\n    {upgrade}\ndef downgrade():\n    op.drop_column()\n"
    (folder / "versions" / "0002.py").write_text(text)
    return folder


@pytest.mark.parametrize(
    "upgrade",
    [
        'op.drop_column("a", "b")',
        'op.drop_table("a")',
        'op.rename_table("a", "b")',
        'op.alter_column("a", "b", new_column_name="c")',
        'op.alter_column("a", "b", nullable=False)',
        'op.add_column("a", sa.Column("b", sa.Integer, nullable=False))',
        'with op.batch_alter_table("a") as a: a.drop_column("b")',
    ],
)
def test_a_migration_that_takes_away_is_refused_unless_it_says_that_nobody_minds(
    tmp_path: Path, upgrade: str
):
    with pytest.raises(AssertionError, match=r"^0002\.py: .*the old version still serves"):
        assert_expands(write(tmp_path, upgrade))
    (tmp_path / "said").mkdir()
    assert_expands(write(tmp_path / "said", upgrade, 'contracts = "nobody has read it since 1.4"'))


@pytest.mark.parametrize(
    "upgrade",
    [
        'op.create_table("a", sa.Column("b", sa.Integer, nullable=False))',
        'op.add_column("a", sa.Column("b", sa.Integer))',
        'op.add_column("a", sa.Column("b", sa.Integer, nullable=False, server_default="0"))',
        'op.alter_column("a", "b", type_=sa.Text, existing_nullable=False)',
        'op.drop_index("a")',
    ],
)
def test_a_migration_that_adds_is_welcome(tmp_path: Path, upgrade: str):
    assert_expands(write(tmp_path, upgrade))
