"""`schedules.yaml` as frozen values."""

from reconcile.config.alerts import AlertsConfig
from reconcile.config.handler import HttpHandler, PythonHandler, RecordedCallable, RecordedQuery
from reconcile.config.load import load
from reconcile.config.model import (
    Config,
    HttpConfig,
    ScheduleConfig,
    SourceConfig,
    WebhookConfig,
)
from reconcile.config.starter import starter

__all__ = [
    "AlertsConfig",
    "Config",
    "HttpConfig",
    "HttpHandler",
    "PythonHandler",
    "RecordedCallable",
    "RecordedQuery",
    "ScheduleConfig",
    "SourceConfig",
    "WebhookConfig",
    "load",
    "starter",
]
