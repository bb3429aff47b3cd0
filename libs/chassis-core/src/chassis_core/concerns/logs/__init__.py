"""Writes the log: one pipeline an app, one line a request, no secrets."""

from chassis_core.concerns.logs.access import AccessLogMiddleware
from chassis_core.concerns.logs.concern import logs
from chassis_core.concerns.logs.logger import get_logger
from chassis_core.concerns.logs.pipeline import LogsSettings, Pipeline, use_pipeline

__all__ = ["AccessLogMiddleware", "LogsSettings", "Pipeline", "get_logger", "logs", "use_pipeline"]
