"""What a change may touch, in real repositories."""

import re
import subprocess

import pytest
from chassis_core.contract import ContractError
from chassis_core.contract.checking import check
from chassis_core.contract.decision import decide

CONTRACT = """\
[services.books]
port = 8010
admin_port = 9010

[boundaries]
immutable = ["libs/**", "dev", "chassis.toml"]
generated = ["uv.lock"]
extensible = ["services/**"]
"""
SHELVES = "[services.shelves]\nport = 8011\nadmin_port = 9011\n"
STEP = "services/books/src/books/migrations/versions/0001_books.py"
TEST = "services/books/tests/test_books.py"
FILES = {
    "chassis.toml": CONTRACT,
    "dev": "#!/bin/sh\n",
    "libs/core.py": "x = 1\n",
    "README.md": "# Books\n",
    "pyproject.toml": """\
[dependency-groups]
dev = ["books"]

[tool.ruff.lint]
select = ["ALL"]
ignore = ["D104"]

[tool.mypy]
files = ["services/books/src"]

[tool.uv.sources]
books = { workspace = true }
""",
    "services/books/pyproject.toml": '[project]\nname = "books"\ndependencies = ["chassis-core"]\n'
    '[project.entry-points."chassis.services"]\nbooks = "books.main:app"\n',
    "services/books/src/books/main.py": "def app():\n    return create_app()\n\n\n"
    "from chassis_core import create_app\n",
    STEP: 'revision = "0001"\ndown_revision = None\n',
    "services/books/tests/test_conformance.py": 'SERVICE = "books"\n\n\n'
    "async def test_it_keeps_its_promise(promise):\n    await promise()\n",
    TEST: "def test_one():\n    assert f()\n\n\ndef test_two():\n    assert g()\n",
}


class Repository:
    """A platform under git, with a branch of a service's author."""

    def __init__(self, root):
        self.root = root
        root.mkdir()
        self.git("init", "-q", "-b", "main")
        for path, text in FILES.items():
            self.write(path, text)
        self.commit("Start")
        self.git("switch", "-q", "-c", "work")

    def git(self, *arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        command = ["git", "-C", self.root, *who, "-c", "protocol.file.allow=always", *arguments]
        subprocess.run(command, check=True, capture_output=True)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def commit(self, message):
        self.git("add", "--all")
        self.git("commit", "-q", "-m", message)

    def found(self):
        return [(one.rule, one.path) for one in check(self.root, since="main")]


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "it")


TOLD = "Speed it up\n\nFoundation-Change: every service waited for it"
FOUNDATION = [("foundation-stays", "libs/core.py")]


def test_a_change_of_a_service_is_its_authors(repository):
    repository.write("services/books/src/books/api.py", "x = 1\n")
    repository.write("README.md", "# More\n")
    repository.commit("Add a route")
    repository.write("services/books/notes.md", "new\n")
    assert repository.found() == []


def test_a_change_of_the_foundation_is_found_once_committed(repository):
    repository.write("libs/core.py", "x = 2\n")
    repository.commit("Add a route")
    assert repository.found() == FOUNDATION


@pytest.mark.parametrize("staged", [False, True])
def test_a_change_of_the_foundation_is_found_before_it_is_committed(repository, staged):
    repository.write("libs/core.py", "x = 2\n")
    if staged:
        repository.git("add", "--all")
        repository.write("libs/core.py", FILES["libs/core.py"])
    assert repository.found() == FOUNDATION


def test_a_new_file_of_the_foundation_is_found(repository):
    repository.write("libs/more ü\n.py", "x = 2\n")
    assert repository.found() == [("foundation-stays", "libs/more ü\n.py")]


def test_a_commit_that_says_why_may_change_the_foundation(repository):
    repository.write("libs/core.py", "x = 2\n")
    repository.commit(TOLD)
    assert repository.found() == []


def test_one_commit_that_says_why_speaks_for_no_other(repository):
    repository.write("libs/core.py", "x = 2\n")
    repository.commit(TOLD)
    repository.write("libs/core.py", "x = 3\n")
    repository.commit("Make my test pass")
    assert repository.found() == FOUNDATION


def test_a_line_without_a_reason_is_none(repository):
    repository.write("libs/core.py", "x = 2\n")
    repository.commit("Speed it up\n\nFoundation-Change:")
    assert repository.found() == FOUNDATION


def test_what_was_changed_and_changed_back_is_no_change(repository):
    for text in ("x = 2\n", FILES["libs/core.py"]):
        repository.write("libs/core.py", text)
        repository.commit("Try")
    assert repository.found() == []


def test_what_the_foundation_itself_has_changed_since_is_nobodys_fault(repository):
    repository.git("switch", "-q", "main")
    repository.write("libs/core.py", "x = 2\n")
    repository.commit("Improve")
    repository.git("switch", "-q", "work")
    repository.write("services/books/notes.md", "new\n")
    repository.commit("Note")
    assert repository.found() == []
    repository.git("merge", "-q", "main", "-m", "Merge")
    assert repository.found() == []


def test_a_merge_that_changes_the_foundation_by_itself_is_found(repository):
    repository.write("services/books/notes.md", "new\n")
    repository.commit("Note")
    repository.git("switch", "-q", "-c", "other", "main")
    repository.write("README.md", "# More\n")
    repository.commit("More")
    repository.git("switch", "-q", "work")
    repository.git("merge", "-q", "--no-commit", "--no-ff", "other")
    repository.write("libs/core.py", "x = 2\n")
    repository.commit("Merge")
    assert repository.found() == FOUNDATION


def test_a_file_that_moves_out_of_the_foundation_is_found(repository):
    repository.git("mv", "libs/core.py", "services/books/core.py")
    repository.commit("Move")
    assert repository.found() == FOUNDATION


def test_a_file_that_moves_into_the_foundation_is_found(repository):
    repository.git("mv", "README.md", "libs/README.md")
    repository.commit("Move")
    assert repository.found() == [("foundation-stays", "libs/README.md")]


def test_a_changed_mode_is_a_change(repository):
    repository.git("update-index", "--chmod=+x", "dev")
    repository.git("commit", "-q", "-m", "Run it")
    assert ("foundation-stays", "dev") in repository.found()


@pytest.mark.parametrize("target", ["../../libs/core.py", "/etc/hostname", "../../uv.lock"])
def test_a_link_out_of_its_zone_is_found(repository, target):
    (repository.root / "services/books/core.py").symlink_to(target)
    assert ("links-stay", "services/books/core.py") in repository.found()
    repository.commit("Share")
    assert ("links-stay", "services/books/core.py") in repository.found()


def test_links_in_a_circle_are_found(repository):
    path = "services/books/circle"
    (repository.root / path).symlink_to("circle")
    assert repository.found() == [("links-stay", path)]
    assert decide(repository.root, repository.root / path).path == path


def test_a_link_within_a_service_is_its_authors(repository):
    (repository.root / "services/books/more.md").symlink_to("pyproject.toml")
    repository.commit("Share")
    assert repository.found() == []


def test_a_submodule_is_found(repository, tmp_path):
    other = Repository(tmp_path / "other")
    repository.git("submodule", "add", "-q", str(other.root), "services/books/vendor")
    repository.commit("Vendor")
    assert ("links-stay", "services/books/vendor") in repository.found()


def test_a_new_service_enters_itself_into_the_contract(repository):
    text = CONTRACT.replace("[boundaries]", f"{SHELVES}\n[boundaries]")
    repository.write("chassis.toml", text)
    assert ("foundation-stays", "chassis.toml") not in repository.found()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"libs/**", ', ""),
        ("8010", "8012"),
        ("9010", "9010\nexceptions = {one-log = 'it is only a prototype'}"),
        ("[services.books]", "[services.shelves]"),
        ("[boundaries]", f"{SHELVES}exceptions.one-log = 'it always was like it'\n[boundaries]"),
    ],
)  # fmt: skip
def test_the_contract_changes_in_no_other_way(repository, old, new):
    repository.write("chassis.toml", CONTRACT.replace(old, new))
    assert ("foundation-stays", "chassis.toml") in repository.found()


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('dev = ["books"]', 'dev = ["books", "shelves"]', False),
        ('files = ["services/books/src"]', 'files = ["services/books/src", "b"]', False),
        ("books = { w", "shelves = { workspace = true }\nbooks = { w", False),
        ('ignore = ["D104"]', 'ignore = ["D104", "S"]', True),
        ('files = ["services/books/src"]', "files = []", True),
        ("[tool.mypy]", "[tool.mypy]\nignore_errors = true", True),
        ("[tool.ruff.lint]", "[tool.coverage]\nx = 1\n[tool.ruff.lint]", True),
    ],
)
def test_the_checks_of_the_repository_are_the_foundations(repository, old, new, found):
    repository.write("pyproject.toml", FILES["pyproject.toml"].replace(old, new))
    assert (("foundation-stays", "pyproject.toml") in repository.found()) == found


def test_a_released_migration_stays_as_it_is(repository):
    repository.write(STEP, FILES[STEP] + "x = 1\n")
    assert ("released-migrations-stay", STEP) in repository.found()
    (repository.root / STEP).unlink()
    assert ("released-migrations-stay", STEP) in repository.found()


def test_a_migration_that_was_no_python_never_ran_and_may_be_mended(repository):
    repository.git("switch", "-q", "main")
    repository.write(STEP, "def upgrade(:\n")
    repository.commit("Break it")
    repository.git("switch", "-q", "-C", "work")
    repository.write(STEP, FILES[STEP])
    assert repository.found() == []


def test_a_comment_in_a_released_migration_and_a_new_one_are_fine(repository):
    repository.write(STEP, "# The first.\n" + FILES[STEP])
    following = 'revision = "0002"\ndown_revision = "0001"\n'
    repository.write(STEP.replace("0001", "0002"), following)
    repository.commit("Add a table")
    repository.write(STEP.replace("0001", "0002"), following + "x = 1\n")
    assert repository.found() == []


def test_a_test_that_goes_away_is_found(repository):
    repository.write(TEST, FILES[TEST].partition("\n\n\n")[0])
    assert repository.found() == [("tests-stay", TEST)]
    (repository.root / TEST).unlink()
    repository.commit("Clean up")
    assert repository.found() == [("tests-stay", TEST)]


def test_a_test_that_moves_or_gets_another_name_is_fine(repository):
    repository.git("mv", TEST, TEST.replace("books.py", "shelves.py"))
    repository.commit("Move")
    assert repository.found() == []
    repository.write(TEST.replace("books.py", "shelves.py"), FILES[TEST].replace("two", "three"))
    repository.commit("Rename")
    assert repository.found() == []


def test_an_exception_with_a_reason_excuses_its_rule(repository):
    repository.write("services/books/src/books/api.py", "print(1)\n")
    assert repository.found() == [("one-log", "services/books/src/books/api.py")]
    excused = '\n[services.books.exceptions]\none-log = "a demonstration on a terminal"\n'
    repository.git("switch", "-q", "main")
    repository.write("chassis.toml", CONTRACT + excused)
    repository.commit("Excuse books")
    assert repository.found() == []
    repository.write("services/books/src/books/api.py", "x = 1\n")
    assert check(repository.root)[0].line == len(CONTRACT.splitlines()) + 3
    assert repository.found() == [("needless-exception", "chassis.toml")]


@pytest.mark.parametrize(
    ("exception", "said"),
    [
        ('one-lock = "a demonstration on a terminal"', "one-lock: no rule; did you mean one-log"),
        ('one-log = "because"', "String should have at least 20"),
    ],
)  # fmt: skip
def test_an_exception_that_cannot_be_is_refused(repository, exception, said):
    repository.write("chassis.toml", f"{CONTRACT}\n[services.books.exceptions]\n{exception}\n")
    with pytest.raises(ContractError, match=said):
        check(repository.root)


@pytest.mark.parametrize("since", ["nowhere", "--output=x", "work:dev"])
def test_a_commit_that_is_not_there_is_named(repository, since):
    with pytest.raises(ContractError, match=re.escape(f"no commit '{since}'")):
        check(repository.root, since=since)


def test_a_service_that_is_not_there_is_named(repository):
    with pytest.raises(
        ContractError, match=r"no service 'book' in chassis\.toml; did you mean books"
    ):
        check(repository.root, ["book"])


@pytest.mark.parametrize(
    ("path", "zone", "allowed"),
    [
        ("services/books/src/books/api.py", "extensible", True),
        ("README.md", "open", True),
        ("libs/new/file.py", "immutable", False),
        ("services/books/../../libs/core.py", "immutable", False),
        ("services/books/linked/core.py", "immutable", False),
        ("uv.lock", "generated", False),
        (".git/hooks/pre-commit", "immutable", False),
        ("../elsewhere.txt", "outside", True),
    ],
)
def test_an_editor_can_ask_before_it_writes(repository, path, zone, allowed):
    (repository.root / "services/books/linked").symlink_to("../../libs")
    decision = decide(repository.root, repository.root / path)
    assert (decision.zone, decision.allowed) == (zone, allowed)
    assert f": {zone}: " in str(decision)
