"""Rules on what code does while it runs: nothing blocks, nothing is swallowed or lost."""

import ast
from collections.abc import Iterator

from chassis_core.contract.rules.making import Sight, source_rule
from chassis_core.contract.rules.nodes import keyword, method
from chassis_core.contract.rules.source import Module

_BLOCKS = {
    "time.sleep",
    "os.system",
    "os.popen",
    "os.wait",
    "subprocess.run",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.Popen",
    "urllib.request.urlopen",
    "socket.create_connection",
    "socket.gethostbyname",
    "sqlite3.connect",
    "asyncio.run",
    "input",
}
_TASKS = {"asyncio.create_task", "asyncio.ensure_future"}
_STARTED = {"threading.Thread", "multiprocessing.Process"}
_QUEUES = {"celery", "rq", "dramatiq", "arq", "huey", "apscheduler", "taskiq"}
_EXECUTES = {"eval", "exec", "pickle.load", "pickle.loads", "marshal.loads", "shelve.open"}
_EXECUTES |= {"dill.load", "dill.loads", "jsonpickle.decode", "os.system", "os.popen"}
_EXECUTES |= {"yaml.unsafe_load", "yaml.full_load", "yaml.unsafe_load_all", "pickle.Unpickler"}
_SAYS = {"exception", "error", "warning", "critical", "info", "debug", "fail", "set_exception"}


def _blocking(module: Module) -> Iterator[Sight]:
    called = {
        module.dotted(call.func)
        for call in module.all(ast.Call)
        if isinstance(module.function_of(call), ast.AsyncFunctionDef)
    }
    for call in module.all(ast.Call):
        name = module.dotted(call.func)
        function = module.function_of(call)
        if not (name in _BLOCKS or name.startswith("requests.")) or function is None:
            continue
        own = f"{module.name}.{getattr(function, 'name', '')}"
        if isinstance(function, ast.AsyncFunctionDef) or own in called:
            yield call, f"{name}() stops every request of the process; await, or to_thread.run_sync"


def _swallowing(module: Module) -> Iterator[Sight]:
    for handler in module.all(ast.ExceptHandler):
        caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        broad = {None if one is None else module.dotted(one) for one in caught}
        if broad & {None, "Exception", "BaseException"} and not _is_answered(handler):
            yield handler, "swallows every error; catch what you can answer, or raise again"
    for call in module.all(ast.Call):
        ignored = {module.dotted(one) for one in call.args} & {"Exception", "BaseException"}
        if ignored and module.dotted(call.func) == "contextlib.suppress":
            yield call, "swallows every error; name the ones that may be ignored"


def _is_answered(handler: ast.ExceptHandler) -> bool:
    nodes = [node for statement in handler.body for node in ast.walk(statement)]
    told = any(isinstance(node, ast.Call) and method(node) in _SAYS for node in nodes)
    return told or any(isinstance(node, ast.Raise) for node in nodes)


def _lost(module: Module) -> Iterator[Sight]:
    yield from _queues(module)
    for statement in module.all(ast.Expr):
        call = statement.value
        if not isinstance(call, ast.Call):
            continue
        last = method(call)
        if module.dotted(call.func) in _TASKS or last in {"create_task", "run_in_executor"}:
            if not _in_group(module, call):
                yield call, "nobody waits for this task, and it may vanish; keep and await it"
        elif last == "start" and isinstance(call.func, ast.Attribute):
            made = call.func.value
            if isinstance(made, ast.Call) and module.dotted(made.func) in _STARTED:
                yield call, "nobody waits for what this starts; publish an event, or await the work"


def _queues(module: Module) -> Iterator[Sight]:
    for node, owner, _ in module.imports():
        if owner.partition(".")[0] in _QUEUES:
            yield node, f"{owner} is a queue beside the outbox; publish an event"


def _in_group(module: Module, call: ast.Call) -> bool:
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    if not isinstance(owner, ast.Name):
        return False
    blocks = [outer for outer in module.above(call) if isinstance(outer, ast.AsyncWith)]
    names = [item.optional_vars for block in blocks for item in block.items]
    return any(isinstance(name, ast.Name) and name.id == owner.id for name in names)


def _executing(module: Module) -> Iterator[Sight]:
    for call in module.all(ast.Call):
        name = module.dotted(call.func)
        if name in _EXECUTES:
            yield call, f"{name}() runs what it is given; read data with pydantic or json"
        elif name in {"yaml.load", "yaml.load_all"} and "Safe" not in ast.unparse(call):
            yield call, f"{name}() builds any object; use yaml.safe_load"
        if getattr(keyword(call, "shell"), "value", False) is True:
            yield call, "shell=True runs what a value says; give a list of arguments"


NO_BLOCKING = source_rule(
    "no-blocking",
    says="No coroutine waits without `await`.",
    why="One process serves all requests: while one sleeps, none is answered, probes included.",
    instead="`await asyncio.sleep(…)`; `await anyio.to_thread.run_sync(…)` for what must block.",
    see=_blocking,
)
NO_SWALLOWED_ERRORS = source_rule(
    "no-swallowed-errors",
    says="An error is answered, raised again, or at least logged.",
    why="What is swallowed is found by customers, weeks later, without a trace.",
    instead="Catch the one exception that you can answer; let the chassis answer the rest.",
    see=_swallowing,
)
NO_LOST_TASKS = source_rule(
    "no-lost-tasks",
    says="Whoever starts a task waits for it.",
    why="A task that nobody holds may be collected half-way, and ends unseen at a shutdown.",
    instead="`async with asyncio.TaskGroup()`; a concern's lifespan for what runs all the time; an "
    "event for what may be done later.",
    see=_lost,
)
NO_CODE_FROM_DATA = source_rule(
    "no-code-from-data",
    says="Data is never run as code.",
    why="Whoever writes the data then owns the process.",
    instead="`Model.model_validate_json(…)`, `json`, `yaml.safe_load`, a list of arguments.",
    see=_executing,
)
