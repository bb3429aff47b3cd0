"""Rules on who calls and who is called: the service client, verified tokens."""

import ast
from collections.abc import Iterator

from chassis_core.contract.rules.making import Sight, source_rule
from chassis_core.contract.rules.nodes import method
from chassis_core.contract.rules.source import Module

_CLIENTS = (
    "requests",
    "aiohttp",
    "urllib3",
    "urllib.request",
    "http.client",
    "pycurl",
    "niquests",
    "grpc",
    "websockets",
    "zeep",
)
_SOCKETS = {"asyncio.open_connection", "socket.socket", "socket.create_connection"}
_HTTPX = {"Client", "AsyncClient", "HTTPTransport", "AsyncHTTPTransport", "request", "stream"}
_HTTPX |= {"get", "head", "post", "put", "patch", "delete", "options"}
_DECODERS = {"jwt.decode", "jwt.decode_complete", "jwt.get_unverified_header", "jwt.PyJWT"}
_DECODERS |= {"jwt.PyJWS", "jwt.PyJWKClient"}
_TOKENS = ("jose", "authlib", "fastapi_jwt", "python_jose", "jwcrypto", "itsdangerous")
_SCHEMES = {"HTTPBearer", "OAuth2PasswordBearer", "OAuth2AuthorizationCodeBearer"}
_UNVERIFIED = {"ssl._create_unverified_context", "ssl.CERT_NONE"}
_CHECKS = {"verify", "verify_signature", "verify_ssl", "verify_exp", "verify_aud", "verify_iss"}
_CHECKS |= {"check_hostname"}


def _own_clients(module: Module) -> Iterator[Sight]:
    instead = "use client('…'), with its deadline, breaker, token and trace"
    for node, owner, name in module.imports():
        whole = f"{owner}.{name}"
        if any(f"{whole}.".startswith(f"{one}.") for one in _CLIENTS):
            yield node, f"{owner} is a client of its own; {instead}"
    for call in module.all(ast.Call):
        package, _, last = module.dotted(call.func).partition(".")
        if package in {"httpx", "httpx2"} and last in _HTTPX:
            yield call, f"{package}.{last}() calls without the chassis; {instead}"
        elif f"{package}.{last}" in _SOCKETS:
            yield call, f"{package}.{last}() is a connection of its own; {instead}"


def _own_tokens(module: Module) -> Iterator[Sight]:
    instead = "take CurrentUser or require_scopes(…)"
    for node, owner, _ in module.imports():
        if owner.partition(".")[0] in _TOKENS:
            yield node, f"{owner} verifies tokens past the chassis; {instead}"
    for call in module.all(ast.Call):
        name = module.dotted(call.func)
        if name in _DECODERS:
            yield call, f"{name}() reads a token past the chassis; {instead}"
        elif name.startswith("fastapi.security.") and module.last(call.func) in _SCHEMES:
            yield call, f"{module.last(call.func)} only reads a token; {instead}"
        elif name in {"chassis_core.Principal", "chassis_core.concerns.auth.Principal"}:
            yield call, f"a Principal made by hand has proved nothing; {instead}"
    yield from _header_read(module)
    yield from _verification_off(module)


def _header_read(module: Module) -> Iterator[Sight]:
    for constant in module.all(ast.Constant):
        if str(constant.value).lower() != "authorization" or _in_scheme(module, constant):
            continue
        outer = module.parents[constant]
        reads = isinstance(outer, ast.Call) and method(outer) in {"get", "getlist"}
        if reads or isinstance(outer, ast.Subscript):
            yield constant, "reads the Authorization header by hand; take CurrentUser"
    for argument in module.all(ast.arg):
        if argument.arg == "authorization" and "Header" in ast.unparse(module.parents[argument]):
            yield argument, "reads the Authorization header by hand; take CurrentUser"


def _in_scheme(module: Module, node: ast.AST) -> bool:
    classes = [outer for outer in module.above(node) if isinstance(outer, ast.ClassDef)]
    bases = [module.dotted(base) for one in classes for base in one.bases]
    return any(base.startswith("fastapi.security.") for base in bases)


def _verification_off(module: Module) -> Iterator[Sight]:
    for keyword in module.all(ast.keyword):
        if keyword.arg in _CHECKS and _is_false(keyword.value):
            yield keyword.value, f"{keyword.arg}=False believes anyone; leave verification on"
    for one in module.all(ast.Dict):
        for key, value in zip(one.keys, one.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in _CHECKS and _is_false(value):
                yield value, f"{key.value}: False believes anyone; leave verification on"
    for node in module.all(ast.Attribute):
        if module.dotted(node) in _UNVERIFIED:
            yield node, f"{module.dotted(node)} believes anyone; leave verification on"


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


SERVICE_CLIENT = source_rule(
    "service-client",
    says="Other services are called through the service client.",
    why="A client of one's own waits too long, retries too much, and loses trace and caller.",
    instead="`Annotated[ServiceClient, Depends(client('users'))]`, its address in "
    "`ORDERS_CLIENTS__USERS__URL`.",
    see=_own_clients,
)
TOKENS_ARE_VERIFIED = source_rule(
    "tokens-are-verified",
    says="Tokens are verified by the chassis, and no verification is turned off.",
    why="Algorithm, issuer, audience, type and rotation are easy to forget, one at a time.",
    instead="`CurrentUser`, `require_scopes(…)`, `require_roles(…)`.",
    see=_own_tokens,
)
