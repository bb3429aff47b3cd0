import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from os import environ

import jwt
import pytest
from cryptography.fernet import Fernet
from users.keys import KeyRing


@pytest.fixture
async def users(settings, database_url, database):
    """Run the `users` command on the test's database, where the service has started once."""
    await KeyRing(settings, database).refresh()
    own = {"USERS_DATABASE__URL": database_url}

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from users.cli import main; main()", *arguments]
        return subprocess.run(
            command, env=environ | own | variables, capture_output=True, text=True, check=False
        )

    return run


def states(listing: str) -> list[str]:
    return [line.split()[1] for line in listing.splitlines()]


async def test_the_keys_are_listed_with_their_states(users):
    listed = users("keys", "list")
    assert listed.returncode == 0, listed.stderr
    assert sorted(states(listed.stdout)) == ["active", "next"]


async def test_a_rotation_waits_until_others_have_seen_the_key(users):
    refused = users("keys", "rotate")
    assert refused.returncode == 1
    assert "use --now" in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_a_rotation_can_be_hurried_and_reports_to_the_audit_log(users):
    rotated = users("keys", "rotate", "--now")
    assert rotated.returncode == 0, rotated.stderr
    assert "signs now" in rotated.stdout
    [line] = [line for line in rotated.stdout.splitlines() if line.startswith("{")]
    assert (json.loads(line)["event"], json.loads(line)["service"]) == ("keys_rotated", "users")
    assert sorted(states(users("keys", "list").stdout)) == ["active", "next", "retired"]


async def test_a_rotation_with_a_wrong_encryption_key_changes_nothing_and_says_the_fix(users):
    before = users("keys", "list").stdout
    other = Fernet.generate_key().decode()
    refused = users("keys", "rotate", "--now", USERS_KEYS__ENCRYPTION_KEY=other)
    assert refused.returncode == 1
    assert "USERS_KEYS__ENCRYPTION_KEY does not open" in refused.stderr
    assert "set the one it was sealed with" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert users("keys", "list").stdout == before


async def test_a_stolen_key_is_revoked_and_reported_to_the_audit_log(users):
    listed = users("keys", "list").stdout
    stolen = next(line.split()[0] for line in listed.splitlines() if line.split()[1] == "active")
    revoked = users("keys", "revoke", stolen)
    assert revoked.returncode == 0, revoked.stderr
    assert f"{stolen} is revoked" in revoked.stdout
    assert "key_revoked" in revoked.stdout + revoked.stderr
    left = users("keys", "list").stdout
    assert stolen not in left
    assert sorted(states(left)) == ["active", "next"]


@pytest.mark.parametrize("kid", ["unknown", "-unknown", "--unknown"])
async def test_a_key_that_is_not_there_is_one_line(users, kid):
    refused = users("keys", "revoke", kid)
    assert refused.returncode == 1
    assert f"there is no signing key {kid};" in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_two_commands_at_once_leave_one_active_and_one_next_key(users):
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: users("keys", "rotate", "--now"), range(2)))
    assert {run.returncode for run in runs} <= {0, 1}
    assert not any("Traceback" in run.stderr for run in runs)
    found = states(users("keys", "list").stdout)
    assert (found.count("active"), found.count("next")) == (1, 1)
    assert found.count("retired") == sum(run.returncode == 0 for run in runs)


async def test_a_wrong_setting_is_one_line(users):
    failed = users("keys", "list", USERS_KEYS__ENCRYPTION_KEY="short")
    assert failed.returncode == 1
    assert "USERS_KEYS__ENCRYPTION_KEY" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert "short" not in failed.stderr


async def test_a_database_that_is_not_there_is_one_line(users, tmp_path):
    failed = users("keys", "list", USERS_DATABASE__URL=f"sqlite:///{tmp_path / 'none.db'}")
    assert failed.returncode == 1
    assert "USERS_DATABASE__URL" in failed.stderr
    assert "Traceback" not in failed.stderr


async def test_a_role_is_in_the_tokens_after_it_was_granted_until_it_is_revoked(users, api):
    await api.register()
    refresh = (await api.login()).json()["refresh_token"]
    for command, expected in (("grant", ["admin", "user"]), ("revoke", ["user"])):
        ran = users("roles", command, "Ann@example.org", "admin")
        assert ran.stdout.splitlines()[-1] == f"roles: {' '.join(expected)}", ran.stderr
        answer = (await api.refresh(refresh)).json()
        refresh = answer["refresh_token"]
        claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
        assert claims["roles"] == expected


async def test_a_role_that_cannot_be_granted_is_one_line(users, api):
    await api.register()
    for email, role, reason in (
        ("ann@example.org", "Not A Role", "a role is"),
        ("bob@example.org", "admin", "no user"),
    ):
        refused = users("roles", "grant", email, role)
        assert (refused.returncode, reason in refused.stderr) == (1, True)
        assert "Traceback" not in refused.stderr
