"""Rules on logs, metrics and traces: there is one of each, and it is the chassis's."""

import ast
from collections.abc import Iterator

from chassis_core.contract.rules.making import Sight, source_rule
from chassis_core.contract.rules.nodes import method
from chassis_core.contract.rules.source import Module

_WRITES = {"print", "sys.stdout.write", "sys.stderr.write", "sys.stdout.buffer.write"}
_PIPELINES = {
    "logging.basicConfig",
    "logging.config.dictConfig",
    "logging.config.fileConfig",
    "logging.disable",
    "logging.StreamHandler",
    "logging.FileHandler",
    "logging.handlers.RotatingFileHandler",
    "structlog.configure",
    "structlog.configure_once",
}
_METRICS = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
_EXPOSES = {"REGISTRY", "start_http_server", "make_asgi_app", "make_wsgi_app", "generate_latest"}
_EXPOSES |= {"push_to_gateway", "disable_created_metrics"}
_PROVIDERS = {"TracerProvider", "MeterProvider", "LoggerProvider", "BatchSpanProcessor"}
_PROVIDERS |= {"SimpleSpanProcessor", "set_tracer_provider", "set_meter_provider"}
_PROVIDERS |= {"set_logger_provider", "set_global_textmap"}


def _own_logs(module: Module) -> Iterator[Sight]:
    for call in module.all(ast.Call):
        name = module.dotted(call.func)
        if name in _WRITES:
            yield call, f"{name}() goes past the log; use get_logger(__name__), or typer.echo"
        elif name in _PIPELINES:
            yield call, f"{name}() changes how every line is written; set logs.level, logs.format"
        elif method(call) == "addHandler":
            yield call, "addHandler() writes lines twice; the chassis takes stdlib records already"
    for node, owner, _ in module.imports():
        if owner.partition(".")[0] in {"loguru", "logbook", "structlog_sentry"}:
            yield node, f"{owner} is a log of its own; use get_logger(__name__)"


def _own_telemetry(module: Module) -> Iterator[Sight]:
    for call in module.all(ast.Call):
        package, _, name = module.dotted(call.func).rpartition(".")
        if package.startswith("prometheus_client") and name in _METRICS:
            if not any(one.arg in {"registry", None} for one in call.keywords):
                yield (
                    call,
                    f"{name}() without registry= is global; take share(settings)['registry']",
                )
        elif package.startswith("opentelemetry.") and name in _PROVIDERS:
            yield call, f"{name}() is telemetry of its own; set OTEL_* and use trace.get_tracer"
    for node, owner, name in module.imports():
        if owner.startswith("prometheus_client") and name in _EXPOSES:
            yield node, f"{name} is the process's, not the app's; /metrics shows the app's registry"
        elif owner.startswith(("opentelemetry.instrumentation", "prometheus_fastapi")):
            yield node, f"{owner} counts what the chassis counts already; take it out"


ONE_LOG = source_rule(
    "one-log",
    says="Everything that is said goes through the chassis's log.",
    why="A line that is printed has no request id, no level, and no redaction of secrets.",
    instead="`log = get_logger(__name__)`, `log.info('order_placed', order_id=…)`; a command of "
    "operators uses `typer.echo`.",
    see=_own_logs,
)
ONE_TELEMETRY = source_rule(
    "one-telemetry",
    says="Metrics and spans go where the app's go.",
    why="What is registered globally is not on `/metrics`, and breaks the second app in a process.",
    instead="`Counter(…, registry=registry)` with `share(settings)['registry']`; "
    "`trace.get_current_span()`.",
    see=_own_telemetry,
)
