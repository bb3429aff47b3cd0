"""The logger that services use, and the bridge from the standard library's."""

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, cast

import structlog
from structlog.typing import FilteringBoundLogger

from chassis_core.concerns.logs.pipeline import FALLBACK, LEVELS, Pipeline, current_pipeline

_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {
    "asctime",
    "color_message",
    "message",
    "taskName",
}
_SERVER = ("uvicorn", "uvicorn.error", "uvicorn.access")
# These tell whole URLs, query secrets included, or every statement, at INFO.
_CHATTY = ("httpx2", "httpcore2", "aiosqlite", "alembic.runtime.migration", "sqlalchemy.pool")
# This warns of each malformed form: strangers could fill the log.
_ALARMED = ("python_multipart",)


class _Sink:
    """Hands events to the pipeline of the app whose code logs."""

    def emit(self, level: str, event: object = "", **fields: Any) -> None:
        error = _exception(fields.pop("exc_info", None))
        current_pipeline().emit(level, str(event), fields, error)

    debug = info = warning = warn = error = critical = exception = emit


def _to_sink(_: Any, level: str, event: MutableMapping[str, Any]) -> tuple[Any, Any]:
    level = "error" if level == "exception" else "warning" if level == "warn" else level
    if LEVELS.get(level, logging.INFO) < current_pipeline().level:
        raise structlog.DropEvent
    return (level,), event


def get_logger(name: str) -> FilteringBoundLogger:
    """Return a structlog logger whose lines go to the app that runs: `log.info("paid", id=1)`.

    It may be made at import: which app's log a line belongs to is decided when it is written.
    """
    bound: Any = structlog.make_filtering_bound_logger(logging.NOTSET)
    logger: FilteringBoundLogger = bound(_Sink(), [_to_sink], {"logger": name})
    return logger


def _exception(info: Any) -> BaseException | None:
    if info is True:
        import sys

        return sys.exc_info()[1]
    if isinstance(info, tuple):
        return cast(BaseException | None, info[1])
    return info if isinstance(info, BaseException) else None


class _Bridge(logging.Handler):
    """Takes the standard library's records of one app into its pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline.level)
        self.pipeline = pipeline

    def emit(self, record: logging.LogRecord) -> None:
        current = current_pipeline()
        orphan = current is FALLBACK and _bridges()[:1] == [self]
        if current is not self.pipeline and not orphan:
            return
        fields = {k: v for k, v in vars(record).items() if k not in _STANDARD_FIELDS}
        error = record.exc_info[1] if record.exc_info else None
        level = record.levelname.lower()
        fields["logger"] = record.name
        self.pipeline.emit(level, record.getMessage(), fields, error)


def _bridges() -> list[_Bridge]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, _Bridge)]


@contextmanager
def bridged(pipeline: Pipeline) -> Iterator[None]:
    """While open, let the standard library's log records, the server's too, go to `pipeline`."""
    root = logging.getLogger()
    bridge = _Bridge(pipeline)
    before = root.level
    restore = [_take_over(logging.getLogger(name)) for name in _SERVER]
    levels = dict.fromkeys(_CHATTY, logging.WARNING) | dict.fromkeys(_ALARMED, logging.ERROR)
    quieted = [logging.getLogger(name) for name in levels if not logging.getLogger(name).level]
    for logger in quieted:
        logger.setLevel(levels[logger.name])
    root.addHandler(bridge)
    root.setLevel(min(b.level for b in _bridges()))
    try:
        yield
    finally:
        root.removeHandler(bridge)
        root.setLevel(min([b.level for b in _bridges()], default=before))
        for logger in quieted:
            logger.setLevel(logging.NOTSET)
        for undo in restore:
            undo()


def _take_over(logger: logging.Logger) -> Any:
    handlers, propagate = logger.handlers, logger.propagate
    logger.handlers = []
    logger.propagate = logger.name != "uvicorn.access"

    def undo() -> None:
        logger.handlers, logger.propagate = handlers, propagate

    return undo
