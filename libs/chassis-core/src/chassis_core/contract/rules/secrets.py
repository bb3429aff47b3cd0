"""The rule on secrets: typed as such, written nowhere, and logged by nobody."""

import ast
import re
from collections.abc import Iterator

from chassis_core.contract.rules.making import Located, Sight, everywhere, service_rule
from chassis_core.contract.rules.nodes import method
from chassis_core.contract.rules.source import Module, Source, class_bases

NAMED = re.compile(
    r"(?i)(^|_)(password|passwd|passphrase|secret|token|api_?key|private_key|access_key|"
    r"encryption_key|signing_key|credentials?)$"
)
"""Names of values that nobody may read."""
KNOWN = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\b[sr]k_live_\w{8,}|\bgh[pousr]_\w{20,}"
    r"|\bxox[abp]-[\w-]{10,}|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.|://[^/\s:@{}]+:[^/\s@{}]+@[\w.-]+"
)
"""What a real secret looks like."""
_HOMELY = re.compile(r"^https?://(127\.|localhost|\[::1\])")
_BASES = {"ServiceSettings", "ConcernSettings", "BaseSettings"}
_LOGS = {"debug", "info", "warning", "error", "critical", "exception", "bind"}


def _secrets(source: Source) -> Iterator[Located]:
    yield from _unrefused(source)
    for see in (_literals, _defaults, _told):
        yield from everywhere(source, see)
    for module in source.modules.values():
        for cls in module.all(ast.ClassDef):
            bases = {base.rpartition(".")[2] for base in class_bases(source, module, cls)}
            if bases & _BASES:
                for field, name in _plain_fields(cls):
                    yield module, field, f"{name} would be shown by repr and errors; use SecretStr"


def _unrefused(source: Source) -> Iterator[Located]:
    for module in source.modules.values():
        classes = [c for c in module.all(ast.ClassDef) if _is_settings(source, module, c)]
        homely = [n for n in module.all(ast.Constant) if _HOMELY.search(str(n.value))]
        homely += [n for n in module.all(ast.Name) if "DEVELOPMENT" in n.id]  # type: ignore[misc]
        homely = [node for node in homely if not _is_prose(module, node)]
        if classes and homely and not any(_refuses(test) for test in module.all(ast.If)):
            message = "production must refuse this default: raise InvalidSettings in it"
            yield module, homely[0], message


def _is_settings(source: Source, module: Module, cls: ast.ClassDef) -> bool:
    bases = class_bases(source, module, cls)
    return any(base.rpartition(".")[2] == "ServiceSettings" for base in bases)


def _refuses(test: ast.If) -> bool:
    asked = [n for n in ast.walk(test.test) if isinstance(n, ast.Constant)]
    refused = any(isinstance(node, ast.Raise) for node in ast.walk(test))
    return refused and any(node.value == "production" for node in asked)


def _plain_fields(cls: ast.ClassDef) -> Iterator[tuple[ast.AST, str]]:
    for field in cls.body:
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        words = {node.id for node in ast.walk(field.annotation) if isinstance(node, ast.Name)}
        if NAMED.search(field.target.id) and words & {"str", "bytes"}:
            yield field, field.target.id


def _literals(module: Module) -> Iterator[Sight]:
    for node in module.all(ast.Constant):
        if isinstance(node.value, str) and KNOWN.search(node.value) and not _is_prose(module, node):
            yield node, "a secret in the source is everyone's; take it from Settings"


def _is_prose(module: Module, node: ast.AST) -> bool:
    return isinstance(module.parents[node], ast.Expr)


def _defaults(module: Module) -> Iterator[Sight]:
    for call in module.all(ast.Call):
        if module.last(call.func) == "SecretStr" and call.args:
            value = call.args[0]
            if isinstance(value, ast.Constant) and _is_secret(str(value.value)):
                yield value, "a default secret is everyone's; require it, or refuse it by name"
    for assign in module.all(ast.Assign):
        name = getattr(assign.targets[0], "id", "")
        text = getattr(assign.value, "value", None)
        secret = NAMED.search(name) and "DEVELOPMENT" not in name
        if secret and isinstance(text, str) and len(text) >= 8:
            yield assign, f"{name} in the source is everyone's; take it from Settings"


def _is_secret(value: str) -> bool:
    return bool(value) and not value.startswith("sqlite")


def _told(module: Module) -> Iterator[Sight]:
    for call in module.all(ast.Call):
        shown = module.dotted(call.func) in {"print", "str", "repr", "typer.echo"}
        if shown or method(call) in _LOGS:
            for node in ast.walk(call):
                if isinstance(node, ast.Attribute) and node.attr == "get_secret_value":
                    yield node, "a secret is told; leave it out of what is written"


SECRETS_STAY_SECRET = service_rule(
    "secrets-stay-secret",
    says="A secret is a `SecretStr`, comes from outside, and is written nowhere.",
    why="What is once in the history, a log or an error has to be replaced everywhere.",
    instead="`token: SecretStr` in `Settings`; a development default is a constant named "
    "`DEVELOPMENT_…`, which production refuses.",
    see=_secrets,
)
