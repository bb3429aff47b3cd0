"""Where every log line of one app is made: filled in, cleared of secrets, written."""

import json
import logging
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from typing import Any, BinaryIO, Literal, get_args

import orjson
from opentelemetry import trace
from structlog.dev import ConsoleRenderer

from chassis_core import context
from chassis_core.concern import ConcernSettings, Service
from chassis_core.redaction import redact, scrub

Level = Literal["debug", "info", "warning", "error", "critical"]
LEVELS = {name: getattr(logging, name.upper()) for name in get_args(Level)}
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z


class LogsSettings(ConcernSettings):
    """What is logged, and how it looks."""

    level: Level = "info"
    """The least severe level that is written, of the service and of its libraries."""
    format: Literal["auto", "json", "console"] = "auto"
    """`json` for machines, `console` for people; `auto` is console on a terminal."""
    access: bool = True
    """Whether every request has its line."""


class Pipeline:
    """The log of one app.

    Args:
        settings: level and format.
        service: who emits.
        stream: where lines go; standard output unless given.
    """

    def __init__(
        self, settings: LogsSettings, *, service: Service, stream: BinaryIO | None = None
    ) -> None:
        self.level: int = LEVELS[settings.level]
        self._stream = stream
        self._identity = {
            "service": service.name,
            "version": service.version,
            "environment": service.environment,
        }
        self._console = _console(settings, stream)
        self._clock = (-1, "")

    def emit(
        self,
        level: str,
        event: str,
        fields: Mapping[str, Any],
        error: BaseException | None = None,
    ) -> None:
        """Write one line; a field that cannot be serialised is written as its `repr`."""
        line = self._begin(level, scrub(event))
        if (request := context.current()) is not None:
            line |= redact(request.fields)
        line |= redact(fields)
        if error is not None:
            line["exception"] = scrub("".join(traceback.format_exception(error)))
        self._write(line)

    def request_line(self, level: str, fields: Mapping[str, Any], bound: Mapping[str, Any]) -> None:
        """Write the access line of a request; `fields` come from the server and hold no secret."""
        if LEVELS[level] < self.level:
            return
        line = self._begin(level, "request")
        line |= fields
        if bound:
            line |= redact(bound)
        self._write(line)

    def _begin(self, level: str, event: str) -> dict[str, Any]:
        line = {"timestamp": self._timestamp(), "level": level, "event": event, **self._identity}
        if (request := context.current()) is not None:
            line["request_id"] = request.request_id
        return line | trace_fields()

    def _timestamp(self) -> str:
        second, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        known, text = self._clock
        if second != known:
            text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._clock = (second, text)
        return f"{text}.{nanoseconds // 1_000_000:03}Z"

    def _write(self, line: dict[str, Any]) -> None:
        """Write a finished line, in one call, so that lines of threads do not mix."""
        if self._console is not None:
            plain = {name: _plain(value) for name, value in line.items()}
            if "exception" in line:
                plain["exception"] = "\n".join(map(_plain, line["exception"].split("\n")))
            data = f"{self._console(None, '', plain)}\n".encode("utf-8", "backslashreplace")
        else:
            data = _encode(line)
        # Whoever read the log may be gone; that must fail no request.
        with suppress(OSError, ValueError):
            stream = self._stream or sys.stdout.buffer
            stream.write(data)
            stream.flush()


def _plain(value: Any) -> Any:
    # What a stranger sends must neither steer a terminal nor begin a line that looks like ours.
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(c if c.isprintable() else c.encode("unicode-escape").decode() for c in value)


def _encode(line: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(line, repr, _OPTIONS)
    except TypeError:  # a lone surrogate, or an integer beyond 64 bits
        return json.dumps(line, default=repr).encode() + b"\n"


def _console(settings: LogsSettings, stream: BinaryIO | None) -> ConsoleRenderer | None:
    on_terminal = stream is None and sys.stdout.isatty()
    if settings.format == "console" or (settings.format == "auto" and on_terminal):
        return ConsoleRenderer(colors=on_terminal)
    return None


def trace_fields() -> dict[str, str]:
    """Return the ids of the current span, or nothing outside of one."""
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return {}
    return {
        "trace_id": trace.format_trace_id(span.trace_id),
        "span_id": trace.format_span_id(span.span_id),
    }


FALLBACK = Pipeline(LogsSettings(), service=Service("chassis"))
_current: ContextVar[Pipeline] = ContextVar("chassis_pipeline", default=FALLBACK)


def current_pipeline() -> Pipeline:
    """Return the pipeline of the app whose code runs; outside of any app, a plain one."""
    return _current.get()


def use_pipeline(pipeline: Pipeline) -> Token[Pipeline]:
    """Send the log lines of this task, and of the tasks it starts, to `pipeline`."""
    return _current.set(pipeline)


def leave_pipeline(token: Token[Pipeline]) -> None:
    """Undo the `use_pipeline` that returned `token`."""
    _current.reset(token)
