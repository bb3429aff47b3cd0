"""What cannot be the name of a new service, and why."""

import keyword
import re
import sys
from importlib.util import find_spec
from pathlib import Path

from chassis_core.contract import Contract, package_of, prefix_of

_PREFIXES = {"chassis", "otel", "pip", "python", "uv"}  # of variables that are no service's
_TABLES = {"alembic-version", "idempotency-keys"}
_VALUES = {"false", "n", "no", "null", "off", "on", "true", "y", "yes"}  # to a reader of YAML
_ROLES = {"none", "pg", "public", "template0", "template1"}  # to PostgreSQL; pg has pg_owner
RESERVED = _PREFIXES | _TABLES | _VALUES | _ROLES


class Refused(Exception):
    """It cannot be done, and nothing has been changed; the text names the reason and the fix."""


def refuse_name(root: Path, contract: Contract, name: str) -> None:
    """Refuse a name that is taken, or would be taken for something else.

    Raises:
        Refused: it is.
    """
    if "users" not in contract.services:
        raise Refused("there is no service users, whose tokens it would verify: make that first")
    package = package_of(name)
    folders = [f"services/{name}", package, *(f"{lib}/src/{package}" for lib in _libraries(root))]
    if name in contract.services:
        raise Refused(f"{name} is a service already: choose another name")
    for folder in folders:
        if (root / folder).exists():
            raise Refused(f"{folder} is there already: choose another name, or remove it")
    reserved = name in RESERVED or keyword.iskeyword(package)
    if reserved or _in_compose(root, name) or _in_manifests(root, name):
        raise Refused(f"{name} means something else on this platform: choose another name")
    if package in sys.stdlib_module_names or find_spec(package) or _in_lock(root, name):
        raise Refused(f"{name} is the name of a package that is in use: choose another name")
    _refuse_shared_prefix(contract, name)


def _refuse_shared_prefix(contract: Contract, name: str) -> None:
    """Each service refuses variables under its prefix that it does not know."""
    mine = prefix_of(name)
    for other in contract.services:
        theirs = prefix_of(other)
        if mine.startswith(theirs) or theirs.startswith(mine):
            raise Refused(
                f"settings of {name} would be taken for those of {other}, as {mine} and {theirs}"
                " begin alike: choose another name"
            )


def _libraries(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in root.glob("libs/*")]


def _in_compose(root: Path, name: str) -> bool:
    text = (root / "compose.yaml").read_text("utf-8")
    return bool(re.search(rf"&{name}\b|^  {name}:", text, re.MULTILINE))


def _in_manifests(root: Path, name: str) -> bool:
    """Return whether an object of a manifest, or one that kustomize makes, has the name."""
    named = re.compile(rf"^  (- )?name: {name}$", re.MULTILINE)
    folders = [root / "deploy/k8s", *root.glob("services/*/deploy")]
    files = (path for folder in folders for path in folder.rglob("*.yaml") if path.is_file())
    return any(named.search(path.read_text("utf-8")) for path in files)


def _in_lock(root: Path, name: str) -> bool:
    return f'\nname = "{name}"\n' in (root / "uv.lock").read_text("utf-8")
