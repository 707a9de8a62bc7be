"""`schedules.yaml` as frozen values."""

from reconcile.config.model import (
    AlertsConfig,
    Config,
    HttpConfig,
    HttpHandler,
    PythonHandler,
    RecordedCallable,
    RecordedQuery,
    ScheduleConfig,
    SourceConfig,
    WebhookConfig,
)

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
]
