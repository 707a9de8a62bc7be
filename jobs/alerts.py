"""The alerts job."""

from __future__ import annotations

from reconcile.context import Context, Options
from reconcile.report import RunReport


def run(context: Context, options: Options, report: RunReport) -> int:
    """Nothing yet."""
    del context, options, report
    return 0
