"""Renders the files of one service."""

import builtins
import re
from pathlib import Path
from string import Template

from chassis_core.contract import Contract, package_of, prefix_of

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
_ENDINGS = (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("s", ""))


def rendered(contract: Contract, name: str) -> dict[str, str]:
    """Return the files of a service of the contract: their text by their path from the root."""
    words = words_of(contract, name)
    found = {}
    for template in sorted(TEMPLATES.rglob("*.tmpl")):
        path = template.relative_to(TEMPLATES).as_posix().removesuffix(".tmpl")
        path = path.replace("NAME", name).replace("PACKAGE", words["package"])
        text = Template(template.read_text("utf-8")).substitute(words)
        found[path] = _sorted_imports(text) if path.endswith(".py") else text
    return found


def part(contract: Contract, name: str, which: str) -> str:
    """Return what belongs to a service in a file that all share."""
    template = HERE / "parts" / f"{which}.tmpl"
    return Template(template.read_text("utf-8")).substitute(words_of(contract, name))


def words_of(contract: Contract, name: str) -> dict[str, str]:
    """Return what stands for the placeholders of the templates."""
    member, noun = contract.services[name], _noun(package_of(name))
    return {
        "name": name,
        "package": package_of(name),
        "prefix": prefix_of(name),
        "noun": noun,
        "Noun": _class_of(noun),
        "port": str(member.port),
        "admin_port": str(member.admin_port),
        "users_port": str(contract.services["users"].port),
    }


def _noun(package: str) -> str:
    """Return what one thing of the service is called: `payment` of `payments`."""
    noun = package
    for ending, instead in _ENDINGS:
        if package.endswith(ending) and not f"_{package}".endswith(("ss", "us", "is", "_s")):
            noun = package.removesuffix(ending) + instead
            break
    return noun if _class_of(noun) not in _names_in_use() else f"{noun}_entry"


def _class_of(noun: str) -> str:
    return "".join(word.capitalize() for word in noun.split("_"))


def _names_in_use() -> set[str]:
    texts = (path.read_text("utf-8") for path in TEMPLATES.rglob("*.py.tmpl"))
    return {*dir(builtins), *(word for text in texts for word in re.findall(r"\w+", text))}


def _sorted_imports(text: str) -> str:
    """Where the service's own package comes among the imports depends on its name."""
    lines = re.compile(r"(?:^from \S+ import [^(\n]+\n)+", re.MULTILINE)
    return lines.sub(lambda block: "".join(sorted(block[0].splitlines(keepends=True))), text)
