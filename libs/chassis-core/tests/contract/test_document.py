"""`chassis.toml` says which services there are and who changes what."""

from pathlib import Path

import pytest
from chassis_core.contract import Boundaries, ContractError, find_root, load

ROOT = Path(__file__).parents[4]
GOOD = """
[services.users]
port = 8001
admin_port = 9001
"""


def written(folder, text):
    (folder / "chassis.toml").write_text(text)
    return folder


def test_this_platform_has_one(tmp_path):
    contract = load(ROOT)
    assert list(contract.services)[:2] == ["users", "orders"]
    assert contract.services["orders"].admin_port == 9002


def test_the_nearest_one_above_holds(tmp_path):
    below = tmp_path / "services/users/src"
    below.mkdir(parents=True)
    written(tmp_path, GOOD)
    assert find_root(below) == tmp_path.resolve()


def test_without_one_the_error_says_so(tmp_path):
    with pytest.raises(ContractError, match=r"there is no chassis\.toml in"):
        find_root(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[services", "chassis.toml: "),
        ("[services.users]\nport = 8001", r"services\.users\.admin_port: Field required"),
        (GOOD + "hue = 1", r"services\.users\.hue: Extra inputs"),
        (GOOD + "[services.orders]\nport = 9001\nadmin_port = 9002", "port 9001 of orders is one"),
        ("[services.users]\nport = 8001\nadmin_port = 8001", "port 8001 of users is one"),
        ("[services.Users]\nport = 8001\nadmin_port = 9001", "'Users' is no name of a service"),
        (GOOD.replace("8001", "80"), "services.users.port: Input should be greater"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    with pytest.raises(ContractError, match=said):
        load(written(tmp_path, text))


@pytest.mark.parametrize(
    ("path", "zone"),
    [
        ("libs/chassis-core/src/chassis_core/app.py", "immutable"),
        ("services/orders/src/orders/api.py", "extensible"),
        ("services/orders/deploy/production/release/kustomization.yaml", "generated"),
        ("services/orders/deploy/production/route.yaml", "extensible"),
        ("uv.lock", "generated"),
        ("services/uv.lock", "extensible"),
        ("README.md", "open"),
        ("dev", "immutable"),
        ("devil", "open"),
        ("docs/libs/x.md", "open"),
    ],
)
def test_a_path_belongs_to_the_first_zone_that_takes_it(path, zone):
    assert load(ROOT).boundaries.zone(path) == zone


def test_a_star_stays_in_its_folder_and_a_dot_is_a_dot():
    boundaries = Boundaries(immutable=("a/*.py", "**/b.py"))
    taken = ("a/x.py", "b.py", "c/d/b.py")
    assert [boundaries.zone(path) for path in taken] == ["immutable"] * 3
    assert {boundaries.zone(path) for path in ("a/b/x.py", "a/xapy", "bb.py")} == {"open"}
