"""Everything beside the sources' own keys that cannot be used: what is said of it.

Each case is a text, and then every line that is said of it, whole but for the file's name in front.
"""

from __future__ import annotations

import pytest
from support.config import ENV, VALID, below, in_source, problems_of

BROKEN = {
    "late": (
        in_source("late: perhaps"),
        ":6:11 sources.acme.late: must be deliver or skip (got perhaps)",
    ),
    "settle number": (
        in_source("settle: 120"),
        ":6:13 sources.acme.settle: must be a duration such as 30s, 5m, 3h or 7d (got 120)",
    ),
    "settle unit": (
        in_source("settle: 2 minutes"),
        ":6:13 sources.acme.settle: must be a duration such as 30s, 5m, 3h or 7d (got 2 minutes)",
    ),
    "settle negative": (
        in_source("settle: -2m"),
        ":6:13 sources.acme.settle: must be a duration such as 30s, 5m, 3h or 7d (got -2m)",
    ),
    "timeout zero": (
        in_source("timeout: 0s"),
        ":6:14 sources.acme.timeout: must be more than 0 (got 0s)",
    ),
    "overlap too long": (
        in_source("overlap: 99999d"),
        ":6:14 sources.acme.overlap: must be at most 3650d (got 99999d)",
    ),
    "valve zero": (
        in_source("valve: 0"),
        ":6:12 sources.acme.valve: must be at least 1 (got 0)",
    ),
    "valve negative": (
        in_source("valve: -5"),
        ":6:12 sources.acme.valve: must be at least 1 (got -5)",
    ),
    "valve quoted": (
        in_source("valve: '5'"),
        ":6:12 sources.acme.valve: must be a whole number, without quotes (got 5)",
    ),
    "valve huge": (
        in_source("valve: 99999999999999999"),
        ":6:12 sources.acme.valve: must be at most 1000000000000 (got 99999999999999999)",
    ),
    "retry text": (
        in_source("retry: 10s"),
        ":6:12 sources.acme.retry: must be a list (got 10s)",
    ),
    "retry entry": (
        in_source("retry: [10s, 0s, soon]"),
        ":6:18 sources.acme.retry[1]: must be more than 0 (got 0s)",
        ":6:22 sources.acme.retry[2]: must be a duration such as 30s, 5m, 3h or 7d (got soon)",
    ),
    "http": (
        in_source("http: {deadline: 0s, attempts: 0, max_body: big, rate: 10}"),
        ":6:22 sources.acme.http.deadline: must be more than 0 (got 0s)",
        ":6:36 sources.acme.http.attempts: must be at least 1 (got 0)",
        ":6:49 sources.acme.http.max_body: must be a size such as 500KB, 20MB or 1GB (got big)",
        ":6:60 sources.acme.http.rate: must be a rate such as 10/s or 100/m (got 10)",
    ),
    "http text": (
        in_source("http: fast"),
        ":6:11 sources.acme.http: must be a mapping",
    ),
    "defaults bad twice said once": (
        VALID + "  pay:\n    connector: pay\n    api_key: sk_test_dummy\ndefaults:\n  valve: 0\n",
        ":10:10 defaults.valve: must be at least 1 (got 0)",
    ),
    "defaults list": (
        below("defaults: [a]"),
        ":6:1 defaults: must be a mapping (got a list)",
    ),
    "ledger mysql": (
        below("ledger: mysql://root:hush@db/x"),
        ":6:9 ledger: must be sqlite:///file.db or postgresql://user:password@host/database",
    ),
    "ledger postgres": (
        below("ledger: postgres://root:hush@db/x"),
        ":6:9 ledger: must be sqlite:///file.db or postgresql://user:password@host/database",
    ),
    "ledger memory": (
        below("ledger: 'sqlite:///:memory:'"),
        ":6:9 ledger: must be sqlite:///file.db or postgresql://user:password@host/database",
    ),
    "ledger no file": (
        below("ledger: sqlite://"),
        ":6:9 ledger: must be sqlite:///file.db or postgresql://user:password@host/database",
    ),
    "ledger empty": (
        below("ledger: ''"),
        ":6:9 ledger: must not be empty",
    ),
    "timezone": (
        below("timezone: Mars/Olympus"),
        ":6:11 timezone: must be a time zone such as UTC or Europe/Berlin (got Mars/Olympus)",
    ),
    "timezone folder": (
        below("timezone: Europe"),
        ":6:11 timezone: must be a time zone such as UTC or Europe/Berlin (got Europe)",
    ),
    "timezone up": (
        below("timezone: ../../etc/passwd"),
        ":6:11 timezone: must be a time zone such as UTC or Europe/Berlin (got ../../etc/passwd)",
    ),
    "schedules mapping": (
        below("schedules: {job: backfill}"),
        ":6:1 schedules: must be a list (got a mapping)",
    ),
    "schedule text": (
        below("schedules: [backfill]"),
        ":6:13 schedules[0]: must be a mapping",
    ),
    "schedule both": (
        below("schedules:", "  - {job: backfill, every: 1m, cron: '* * * * *'}"),
        ":7:5 schedules[0]: must not have both every and cron",
    ),
    "schedule neither": (
        below("schedules:", "  - {job: backfill}"),
        ":7:5 schedules[0]: must have every or cron",
    ),
    "schedule no job": (
        below("schedules:", "  - every: 1m"),
        ":7:5 schedules[0].job: is required",
    ),
    "schedule job": (
        below("schedules:", "  - {job: backfil, every: 1m}"),
        (
            ":7:11 schedules[0].job: must be a job; there are: alerts, backfill, dispatch, purge, "
            "status-checks, subscriptions (got backfil)"
        ),
    ),
    "schedule source": (
        below("schedules:", "  - {job: backfill, every: 1m, sources: [acme, amce]}"),
        ":7:48 schedules[0].sources[1]: must be a source; there are: acme (got amce)",
    ),
    "schedule sources empty": (
        below("schedules:", "  - {job: backfill, every: 1m, sources: []}"),
        ":7:32 schedules[0].sources: must not be empty",
    ),
    "schedule unknown": (
        below("schedules:", "  - {job: backfill, evry: 1m}"),
        ":7:21 schedules[0].evry: unknown key; did you mean every?",
    ),
    "schedule zero": (
        below("schedules:", "  - {job: backfill, every: 0s}"),
        ":7:28 schedules[0].every: must be more than 0 (got 0s)",
    ),
    "ladder on backfill": (
        below("schedules:", "  - {job: backfill, every: 1m, ladder: [5m]}"),
        ":7:32 schedules[0].ladder: is for the job status-checks only",
    ),
    "ladder empty": (
        below("schedules:", "  - {job: status-checks, every: 1m, ladder: []}"),
        ":7:37 schedules[0].ladder: must not be empty",
    ),
    "keep on backfill": (
        below("schedules:", "  - {job: backfill, every: 1m, keep_payloads: 90d}"),
        ":7:47 schedules[0].keep_payloads: is for the job purge only (got 90d)",
    ),
    "keys forgotten too soon": (
        below("schedules:", "  - {job: purge, every: 1d, keep_keys: 7d}"),
        ":7:40 schedules[0].keep_keys: must be 30d or more: providers send events again for as long",
    ),
    "cron four": (
        below("schedules:", "  - {job: backfill, cron: '* * * *'}"),
        (
            ":7:27 schedules[0].cron: must be the five fields of cron: minute, hour, day of month, month, "
            "day of week (got * * * *)"
        ),
    ),
    "cron minute": (
        below("schedules:", "  - {job: backfill, cron: '60 * * * *'}"),
        ":7:27 schedules[0].cron: the minute must lie within 0-59 (got 60 * * * *)",
    ),
    "cron hour": (
        below("schedules:", "  - {job: backfill, cron: '0 24 * * *'}"),
        ":7:27 schedules[0].cron: the hour must lie within 0-23 (got 0 24 * * *)",
    ),
    "cron dow": (
        below("schedules:", "  - {job: backfill, cron: '0 0 * * 8'}"),
        ":7:27 schedules[0].cron: the day of week must lie within 0-7 or sun-sat (got 0 0 * * 8)",
    ),
    "cron name": (
        below("schedules:", "  - {job: backfill, cron: '0 0 * * mo'}"),
        ":7:27 schedules[0].cron: the day of week must lie within 0-7 or sun-sat (got 0 0 * * mo)",
    ),
    "cron month": (
        below("schedules:", "  - {job: backfill, cron: '0 0 * foo *'}"),
        ":7:27 schedules[0].cron: the month must lie within 1-12 or jan-dec (got 0 0 * foo *)",
    ),
    "cron backwards": (
        below("schedules:", "  - {job: backfill, cron: '0 5-1 * * *'}"),
        ":7:27 schedules[0].cron: the hour has a range that runs backwards (got 0 5-1 * * *)",
    ),
    "cron step": (
        below("schedules:", "  - {job: backfill, cron: '*/0 * * * *'}"),
        ":7:27 schedules[0].cron: the minute has a step that is not a number from 1 to 99 (got */0 * * * *)",
    ),
    "cron step alone": (
        below("schedules:", "  - {job: backfill, cron: '5/10 * * * *'}"),
        ":7:27 schedules[0].cron: the minute may have a step only after * or a range, such as */15 (got 5/10 * * * *)",
    ),
    "cron never": (
        below("schedules:", "  - {job: backfill, cron: '0 0 30 2 *'}"),
        ":7:27 schedules[0].cron: never comes: no such month has that day (got 0 0 30 2 *)",
    ),
    "cron macro": (
        below("schedules:", "  - {job: backfill, cron: '@daily'}"),
        (
            ":7:27 schedules[0].cron: must be the five fields of cron: minute, hour, day of month, month, "
            "day of week (got @daily)"
        ),
    ),
    "alerts missing": (
        below("alerts: {}"),
        ":6:1 alerts.smtp: is required",
        ":6:1 alerts.from: is required",
        ":6:1 alerts.to: is required",
    ),
    "alerts smtp": (
        below("alerts: {smtp: 'http://a:hush@b', from: a@b.example, to: [c@d.example]}"),
        ":6:16 alerts.smtp: must be smtp://user:password@host:587 or smtps://user:password@host:465",
    ),
    "alerts tls": (
        below("alerts: {smtp: 'smtps://b?tls=off', from: a@b.example, to: [c@d.example]}"),
        ":6:16 alerts.smtp: may end with ?tls=off after smtp://, and with nothing else",
    ),
    "alerts from": (
        below("alerts: {smtp: 'smtp://b', from: 'a', to: ['Ops <c@d.example>']}"),
        ":6:34 alerts.from: must be an e-mail address such as ops@example.com (got a)",
        ":6:44 alerts.to[0]: must be an e-mail address such as ops@example.com (got Ops <c@d.example>)",
    ),
    "alerts header": (
        below('alerts: {smtp: "smtp://b", from: "a@b.example\\nBcc: x@y.example", to: []}'),
        ":6:34 alerts.from: must be an e-mail address such as ops@example.com (got a@b.example\\x0aBcc: x@y.example)",
        ":6:67 alerts.to: must not be empty",
    ),
    "alerts parties": (
        below("alerts: {smtp: 'smtp://b', from: a@b.example, to: [c@d.example], third_parties: {pay: [x@y.example]}}"),
        ":6:82 alerts.third_parties.pay: must be a source; there are: acme",
    ),
    "alerts by its Python name": (
        below("alerts: {smtp: 'smtp://b', from_: a@b.example, to: [c@d.example]}"),
        ":6:1 alerts.from: is required",
        ":6:28 alerts.from_: unknown key; did you mean from?",
    ),
    "control in value": (
        in_source('late: "a\\x1b[31mb"'),
        ":6:11 sources.acme.late: must be deliver or skip (got a\\x1b[31mb)",
    ),
    "long value": (
        in_source("late: " + "x" * 100),
        (
            ":6:11 sources.acme.late: must be deliver or skip (got "
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… (+40 characters))"
        ),
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_section_is_refused_with_exactly_these_lines(case, tmp_path, monkeypatch):
    """A value that cannot be used is refused at its line and column, with what would do."""
    monkeypatch.chdir(tmp_path)
    text, *lines = BROKEN[case]
    assert list(problems_of(text, ENV)) == lines
