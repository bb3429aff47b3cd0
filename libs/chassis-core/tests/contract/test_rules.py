"""Each rule finds what it is for, and leaves what only looks like it alone."""

import math
import tomllib
from pathlib import Path

import pytest
from chassis_core.contract.bounds import BOUNDS, Bound
from chassis_core.contract.rules import RULES

BY_NAME = {rule.name: rule for rule in RULES}
API = "src/books/api.py"
HEAD = """\
from chassis_core import CurrentUser, RateLimit, Session, client, ServiceClient
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, SecretStr

router = APIRouter()
"""
GOOD = {
    "pyproject.toml": """\
[project]
name = "books"
dependencies = ["chassis-core", "pwdlib>=0.3,<0.4"]

[project.entry-points."chassis.services"]
books = "books.main:app"
""",
    "src/books/__init__.py": "",
    "src/books/main.py": """\
from chassis_core import App, create_app
from books.api import router
from books.settings import Settings


def app() -> App:
    return create_app(Settings(), routers=[router])
""",
    "src/books/settings.py": """\
from chassis_core import ServiceSettings


class Settings(ServiceSettings):
    name: str = "books"
""",
    API: HEAD,
    "src/books/migrations/versions/0001_books.py": 'revision = "0001"\ndown_revision = None\n',
    "deploy/production/kustomization.yaml": "literals: [BOOKS_ENVIRONMENT=production]\n",
    "tests/test_conformance.py": """\
SERVICE = "books"


async def test_it_keeps_its_promise(promise):
    await promise()
""",
    "tests/test_books.py": "def test_books_are_read():\n    assert 1 + 1 == 2\n",
}
POD = "deploy/production/pod.yaml"
CASES = [
    (case["rule"], case.get("file", API), case["bad"], case.get("fine"))
    for case in tomllib.loads(Path(__file__).with_name("rules.toml").read_text("utf-8"))["case"]
]


@pytest.fixture
def root(tmp_path):
    (tmp_path / "chassis.toml").write_text("[services.books]\nport = 8010\nadmin_port = 9010\n")
    for service in ("users", "books"):
        write(tmp_path / "services" / service, GOOD)
    return tmp_path


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def found(root, rule, file, text):
    head = HEAD if file == API else ""
    folder = root / "services/books"
    write(folder, {file: head + text})
    if file.startswith("../"):
        folder = root / "services" / Path(file).parts[1]
    return [str(one) for one in BY_NAME[rule].find(root, folder)]


@pytest.mark.parametrize(("rule", "file", "bad", "fine"), CASES)
def test_a_rule_finds_what_breaks_it(root, rule, file, bad, fine):
    findings = found(root, rule, file, bad)
    assert findings, f"{rule} does not see {bad}"
    assert all(f": {rule}: " in one for one in findings)


@pytest.mark.parametrize(("rule", "file", "bad", "fine"), [c for c in CASES if c[3] is not None])
def test_a_rule_leaves_alone_what_only_looks_like_it(root, rule, file, bad, fine):
    assert found(root, rule, file, fine) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_good_service_keeps_every_rule(root, rule):
    assert list(rule.find(root, root / "services/books")) == []


STEP = "src/books/migrations/versions/0002_more.py"
STEP_HEAD = """\
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


"""


@pytest.mark.parametrize(
    "taking",
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
def test_a_migration_that_takes_away_is_found_unless_it_says_that_nobody_minds(root, taking):
    text = f"{STEP_HEAD}def upgrade():\n    {taking}\n"
    (one,) = found(root, "migrations-expand-first", STEP, text)
    assert one.endswith("while the code before it still runs")
    said = f'"""Drop it.\n\nContract: nobody has read it since 1.4.\n"""\n{text}'
    assert found(root, "migrations-expand-first", STEP, said) == []


@pytest.mark.parametrize(
    "adding",
    [
        'op.create_table("a", sa.Column("b", sa.Integer, nullable=False))',
        'op.add_column("a", sa.Column("b", sa.Integer))',
        'op.add_column("a", sa.Column("b", sa.Integer, nullable=False, server_default="0"))',
        'op.alter_column("a", "b", type_=sa.Text, existing_nullable=False)',
        'op.drop_index("a")',
    ],
)
def test_a_migration_that_adds_is_welcome(root, adding):
    back = "def downgrade():\n    op.drop_table('a')\n"
    text = f"{STEP_HEAD}def upgrade():\n    {adding}\n\n\n{back}"
    assert found(root, "migrations-expand-first", STEP, text) == []


def test_a_guard_is_seen_where_its_router_is_included(root):
    main = """\
from chassis_core import CurrentUser as User
from fastapi import APIRouter, Depends
from books.api import router

whole = APIRouter()
whole.include_router(router, dependencies=[Depends(User)])
"""
    write(root / "services/books", {"src/books/main.py": main})
    route = "@router.post('/x')\nasync def f(): ...\n"
    assert found(root, "guarded-routes", API, route) == []


def test_a_route_is_seen_where_another_file_adds_it(root):
    main = """\
from books.api import f, router

router.add_api_route("/x", f, methods=["POST"])
"""
    write(root / "services/books", {"src/books/main.py": main})
    (one,) = found(root, "guarded-routes", API, "async def f(): ...\n")
    assert one.startswith(f"services/books/{API}:{HEAD.count(chr(10)) + 1}: ")
    assert found(root, "guarded-routes", API, "async def f(user: CurrentUser): ...\n") == []
    body = "class Wanted(BaseModel): ...\nasync def f(wanted: Wanted): ...\n"
    assert found(root, "strict-requests", API, body)


def test_what_is_called_like_a_manifest_and_is_no_file_is_no_manifest(root):
    deploy = root / "services/books/deploy"
    (deploy / ".#kustomization.yaml").symlink_to("somebody@here.1234")
    (deploy / "old.yaml").mkdir()
    assert found(root, "readable", POD, "a: 1") == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("project = 1", "project"),
        ("[project]\ndependencies = 'x'", "project.dependencies"),
        ("[project]\nentry-points = []", "project.entry-points"),
        ("[project.entry-points]\n'chassis.services' = 1", "project.entry-points.chassis.services"),
        ("[project]\noptional-dependencies = {a = [1]}", "project.optional-dependencies.a.0"),
        ("[tool]\nuv = 1", "tool.uv"),
    ],
)
def test_a_project_that_is_written_wrongly_is_told_where(root, text, place):
    (one,) = found(root, "service-project", "pyproject.toml", text)
    assert f": service-project: {place}: " in one


def settings_found(root, section, field, value):
    text = (
        f"from books.settings import Settings\ns = Settings({section}={{{field!r}: {value!r}}})\n"
    )
    return found(root, "guards-stay-on", "src/books/main.py", text)


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: f"{bound.section}.{bound.field}")
def test_a_number_beyond_its_bound_is_found_and_the_bound_is_not(root, bound: Bound):
    last, beyond = (bound.most, math.nextafter(bound.most, math.inf))
    if math.isinf(bound.most):
        last, beyond = bound.least, math.nextafter(bound.least, 0)
    assert settings_found(root, bound.section, bound.field, last) == []
    (one,) = settings_found(root, bound.section, bound.field, beyond)
    assert bound.says in one


@pytest.mark.parametrize(
    "rates",
    ["20000/seconds", "99999/1 second", "900000/10 seconds", "700000/minute"],
)
def test_a_rate_that_nobody_meets_is_found_in_every_spelling(root, rates):
    assert settings_found(root, "rate_limit", "default", rates)
    assert settings_found(root, "rate_limit", "default", f"{rates}; 100/hour") == []


@pytest.mark.parametrize("rates", ["10000/second", "200 / seconds", "90000/10 seconds", "5/day"])
def test_a_rate_that_somebody_meets_is_left_alone(root, rates):
    assert settings_found(root, "rate_limit", "default", rates) == []


def test_every_rule_is_in_the_table():
    assert {case[0] for case in CASES} == BY_NAME.keys()
    assert len(BY_NAME) == len(RULES)


def test_a_finding_names_the_line(root):
    (one,) = found(root, "one-log", API, "\n\nprint('x')")
    assert one.startswith(f"services/books/{API}:{HEAD.count(chr(10)) + 3}: one-log: print()")


def test_a_finding_in_a_patch_names_the_line_of_the_patch(root):
    text = "a: 1\npatch: |-\n  - op: replace\n    path: /spec/privileged\n    value: true\n"
    (one,) = found(root, "pods-stay-hardened", POD, text)
    assert one.startswith(f"services/books/{POD}:5: ")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_explains_itself(rule):
    for text in (rule.says, rule.why, rule.instead):
        assert len(text) > 10
        assert "  " not in text
