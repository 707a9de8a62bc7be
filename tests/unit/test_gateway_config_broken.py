"""Gateways that cannot be used: what is said of them.

Each case changes lines of a configuration that is right, and names every line that is said of the result.
"""

from __future__ import annotations

import pytest

from reconcile.config import load
from reconcile.errors import ConfigError

VALID = """\
sources:
  gate:
    connector: gateway
    base_url: https://api.gateway.example
    auth: {bearer: "${TOKEN}"}
    list:
      path: /payments
      items: /payments
      filters: {created_at_min: created_from, created_at_max: created_to}
      time: iso8601
      paging: {page: page, size: {per_page: 100}}
    fields: {id: /reference, created_at: /created_at, updated_at: /updated_at, status: /status, amount: /amount}
    status:
      path: /get-status
      params: {reference: "{id}"}
      item: ""
    statuses: {pending: pending, paid: succeeded, failed: failed}
    topic: payment.{status}
    webhook:
      url: https://hooks.acme.example/gate
      secret: "${SECRET}"
      topics: [payment.succeeded, payment.failed]
      event: {id: /event_id, topic: /event_type, item: /data}
      signature: {scheme: hmac, header: X-Signature, algorithm: sha256, encoding: hex, prefix: ""}
"""
ENV = {"TOKEN": "tok_hush_dummy", "SECRET": "whsec_hush_dummy", "ODD": "tok_hush\u00e9"}
AUTH, LIST, FIELDS = 'auth: {bearer: "${TOKEN}"}', "      path: /payments\n", "fields: {id: /reference"
PAGING = "paging: {page: page, size: {per_page: 100}}"
FILTERS = "filters: {created_at_min: created_from, created_at_max: created_to}"
SIGNATURE = 'signature: {scheme: hmac, header: X-Signature, algorithm: sha256, encoding: hex, prefix: ""}'
EVENT = "      event: {id: /event_id, topic: /event_type, item: /data}\n"
STATUS = '    status:\n      path: /get-status\n      params: {reference: "{id}"}\n      item: ""\n'
WAYS = "must be none, or have exactly one of page, offset, cursor, next, link_header"

BROKEN = {
    "no base_url": (
        ("    base_url: https://api.gateway.example\n", ""),
        ":2:3 sources.gate.base_url: is required",
    ),
    "base_url with a path": (
        ("gateway.example\n", "gateway.example/v1\n"),
        (
            ":4:15 sources.gate.base_url: must be a scheme and a host only, such as https://host "
            "(got https://api.gateway.example/v1)"
        ),
    ),
    "no auth": (
        (f"    {AUTH}\n", ""),
        ":2:3 sources.gate.auth: is required",
    ),
    "two ways in": (
        (AUTH, 'auth: {bearer: "${TOKEN}", basic: "a:b"}'),
        ":5:5 sources.gate.auth: must be exactly one of bearer, basic, header, query",
    ),
    "no way in": (
        (AUTH, "auth: {}"),
        ":5:5 sources.gate.auth: must be exactly one of bearer, basic, header, query",
    ),
    "unknown way in": (
        (AUTH, 'auth: {baerer: "${TOKEN}"}'),
        ":5:12 sources.gate.auth.baerer: unknown key; did you mean bearer?",
    ),
    "token for a mapping": (
        (AUTH, 'auth: "${TOKEN}"'),
        ":5:11 sources.gate.auth: must be a mapping",
    ),
    "empty token": (
        (AUTH, 'auth: {bearer: ""}'),
        ":5:20 sources.gate.auth.bearer: must not be empty",
    ),
    "token of other letters": (
        (AUTH, 'auth: {bearer: "${ODD}"}'),
        ":5:20 sources.gate.auth.bearer: must be of visible ASCII characters (from the environment)",
    ),
    "basic without a colon": (
        (AUTH, "auth: {basic: hush_dummy}"),
        ':5:19 sources.gate.auth.basic: must be "user:password"; one of the two may be empty',
    ),
    "header that is none": (
        (AUTH, 'auth: {header: {name: "X Key", value: "${TOKEN}"}}'),
        ":5:27 sources.gate.auth.header.name: must be the name of a header, such as X-Api-Key",
    ),
    "header that is taken": (
        (AUTH, 'auth: {header: {name: Host, value: "${TOKEN}"}}'),
        ":5:27 sources.gate.auth.header.name: must not be a header that every request has already",
    ),
    "query without its value": (
        (AUTH, "auth: {query: {name: key}}"),
        ":5:12 sources.gate.auth.query.value: is required",
    ),
    "path of another host": (
        (LIST, "      path: https://evil.example/payments\n"),
        (
            ":7:13 sources.gate.list.path: must be a path that begins with one /; the host is base_url "
            "(got https://evil.example/payments)"
        ),
    ),
    "path of another host in disguise": (
        (LIST, "      path: //evil.example/payments\n"),
        (
            ":7:13 sources.gate.list.path: must be a path that begins with one /; the host is base_url "
            "(got //evil.example/payments)"
        ),
    ),
    "path that climbs": (
        (LIST, "      path: /v1/../payments\n"),
        ":7:13 sources.gate.list.path: must be a path without . and .. in it (got /v1/../payments)",
    ),
    "list of one": (
        (LIST, "      path: /payments/{id}\n"),
        ":7:13 sources.gate.list.path: must not hold braces: it is the same list for all (got /payments/{id})",
    ),
    "pointer without a slash": (
        ("items: /payments", "items: payments"),
        ':8:14 sources.gate.list.items: must be a JSON pointer such as /data/id, or "" for the whole (got payments)',
    ),
    "pointer with a bare tilde": (
        ("items: /payments", "items: /pay~ments"),
        (
            ":8:14 sources.gate.list.items: must write ~ as ~0 in a JSON pointer, and / within a name as ~1 "
            "(got /pay~ments)"
        ),
    ),
    "no items": (
        ("      items: /payments\n", ""),
        ":6:5 sources.gate.list.items: is required",
    ),
    "no filter": (
        (FILTERS, "filters: {}"),
        ":9:7 sources.gate.list.filters: must have created_at_min or updated_at_min: a list is read by time",
    ),
    "filter without a beginning": (
        (FILTERS, "filters: {created_at_max: created_to}"),
        ":9:33 sources.gate.list.filters.created_at_max: needs created_at_min beside it (got created_to)",
    ),
    "unknown filter": (
        (FILTERS, "filters: {created_at_min: a, created_max: b}"),
        ":9:36 sources.gate.list.filters.created_max: unknown key; did you mean created_at_max?",
    ),
    "unknown time": (
        ("time: iso8601", "time: unix"),
        ":10:13 sources.gate.list.time: must be iso8601, epoch_s, epoch_ms or date (got unix)",
    ),
    "no paging": (
        (f"      {PAGING}\n", ""),
        ":6:5 sources.gate.list.paging: is required",
    ),
    "another word for paging": (
        (PAGING, "paging: auto"),
        (
            ":11:15 sources.gate.list.paging: must be none, or a mapping such as {page: page, size: {per_page: 100}} "
            "(got auto)"
        ),
    ),
    "two ways of paging": (
        (PAGING, "paging: {page: page, offset: skip, size: {n: 100}}"),
        f":11:7 sources.gate.list.paging: {WAYS}",
    ),
    "a way of paging that is off": (
        (PAGING, "paging: {link_header: false}"),
        f":11:7 sources.gate.list.paging: {WAYS}",
    ),
    "pages without a size": (
        (PAGING, "paging: {page: page}"),
        ":11:7 sources.gate.list.paging: needs size beside page, such as size: {per_page: 100}",
    ),
    "two sizes": (
        (PAGING, "paging: {page: page, size: {a: 1, b: 2}}"),
        ":11:28 sources.gate.list.paging.size: must be one name and one number, such as {per_page: 100}",
    ),
    "size of nothing": (
        (PAGING, "paging: {page: page, size: {per_page: 0}}"),
        ":11:45 sources.gate.list.paging.size.per_page: must be at least 1 (got 0)",
    ),
    "cursor from nowhere": (
        (PAGING, "paging: {cursor: after}"),
        (
            ":11:7 sources.gate.list.paging: needs from (where the answer has the cursor) or last (where its last item "
            "has it)"
        ),
    ),
    "a list by offset up to 404": (
        (PAGING, "paging: {offset: skip, size: {n: 100}, past_end: 404}"),
        ":11:56 sources.gate.list.paging.past_end: is for page only (got 404)",
    ),
    "a list up to another status": (
        (PAGING, "paging: {page: page, size: {n: 100}, past_end: 410}"),
        ":11:54 sources.gate.list.paging.past_end: must be 404 (got 410)",
    ),
    "from without a cursor": (
        (PAGING, "paging: {next: /links/next, from: /meta/next}"),
        ":11:41 sources.gate.list.paging.from: is for cursor only (got /meta/next)",
    ),
    "no id": (
        (FIELDS, "fields: {ref: /reference"),
        ":12:5 sources.gate.fields.id: is required",
        ":12:14 sources.gate.fields.ref: unknown key; there are: id, created_at, updated_at, status, amount, currency",
    ),
    "no time to be listed by": (
        (" created_at: /created_at,", ""),
        ":12:5 sources.gate.fields: needs created_at, by which the list is filtered",
    ),
    "no status call for a list by last change": (
        (FILTERS, "filters: {updated_at_min: updated_from}"),
        (STATUS, ""),
        ":2:3 sources.gate: needs status where a list is filtered by updated_at: what it left out is asked for",
    ),
    "neither list nor status": (
        (VALID[VALID.index("    list:") : VALID.index("    fields:")], ""),
        (STATUS, ""),
        ":2:3 sources.gate: needs status where there is no list",
    ),
    "status of everybody": (
        ('params: {reference: "{id}"}', "params: {reference: all}"),
        ":13:5 sources.gate.status: must hold {id} in path or params: one item is asked for",
    ),
    "another placeholder": (
        ("path: /get-status", "path: /get-status/{reference}"),
        ":14:13 sources.gate.status.path: may hold {id}, and no other braces (got /get-status/{reference})",
    ),
    "no statuses": (
        ("statuses: {pending: pending, paid: succeeded, failed: failed}", "statuses: {}"),
        ":17:5 sources.gate.statuses: must not be empty",
    ),
    "unknown status": (
        ("paid: succeeded", "paid: success"),
        ":17:40 sources.gate.statuses.paid: must be pending, succeeded, failed, cancelled or refunded (got success)",
    ),
    "topic for all": (
        ("topic: payment.{status}", "topic: payment.changed"),
        (
            ":18:12 sources.gate.topic: must hold {status} (our word) or {raw} (theirs), such as payment.{status} "
            "(got payment.changed)"
        ),
    ),
    "topic of another word": (
        ("topic: payment.{status}", "topic: payment.{state}"),
        ":18:12 sources.gate.topic: may hold {status} or {raw}, and no other braces (got payment.{state})",
    ),
    "unknown time zone": (
        ("    topic: payment", "    timezone: Mars/Olympus\n    topic: payment"),
        ":18:15 sources.gate.timezone: must be a time zone such as UTC or Europe/Berlin (got Mars/Olympus)",
    ),
    "unknown key": (
        ("    topic: payment", "    colour: red\n    topic: payment"),
        ":18:5 sources.gate.colour: unknown key; there are: settle, overlap, valve, timeout, retry, http",
    ),
    "unknown webhook key": (
        (EVENT, f"{EVENT}      signatur: {{scheme: none}}\n"),
        ":24:7 sources.gate.webhook.signatur: unknown key; did you mean signature?",
    ),
    "unknown webhook key of ours": (
        ("topics: [payment", "topic: [payment"),
        ":19:5 sources.gate.webhook.topics: is required",
        ":22:7 sources.gate.webhook.topic: unknown key; did you mean topics?",
    ),
    "signature without event": (
        (EVENT, ""),
        ":23:7 sources.gate.webhook.signature: needs event beside it",
    ),
    "event without signature": (
        (f"      {SIGNATURE}\n", ""),
        ":23:7 sources.gate.webhook.event: needs signature beside it",
    ),
    "unknown scheme": (
        (SIGNATURE, "signature: {scheme: md5}"),
        ":24:27 sources.gate.webhook.signature.scheme: must be hmac, standard-webhooks, token, jwt or none (got md5)",
    ),
    "hmac without a header": (
        (SIGNATURE, "signature: {scheme: hmac}"),
        ":24:7 sources.gate.webhook.signature: needs header for the scheme hmac",
    ),
    "algorithm of another scheme": (
        (SIGNATURE, "signature: {scheme: hmac, header: X-Signature, algorithm: RS256}"),
        (
            ":24:65 sources.gate.webhook.signature.algorithm: must be sha256 or sha512 or sha1 for the scheme hmac "
            "(got RS256)"
        ),
    ),
    "token that is encoded": (
        (SIGNATURE, "signature: {scheme: token, header: X-Token, encoding: hex}"),
        ":24:61 sources.gate.webhook.signature.encoding: is not for the scheme token (got hex)",
    ),
    "jwt of any algorithm": (
        (SIGNATURE, "signature: {scheme: jwt}"),
        ":24:7 sources.gate.webhook.signature: needs header and algorithm for the scheme jwt",
    ),
    "jwt with a short secret": (
        (SIGNATURE, "signature: {scheme: jwt, header: Authorization, algorithm: HS256}"),
        ":21:15 sources.gate.webhook.secret: must be at least 32 characters, and no public key, for HS256",
    ),
    "jwt with a secret for a key": (
        (SIGNATURE, "signature: {scheme: jwt, header: Authorization, algorithm: RS256}"),
        ":21:15 sources.gate.webhook.secret: must be an RSA public key, as PEM, for RS256",
    ),
    "standard webhooks with another secret": (
        (SIGNATURE, "signature: {scheme: standard-webhooks}"),
        ":21:15 sources.gate.webhook.secret: must be whsec_ and base64, as Standard Webhooks secrets are",
    ),
    "unsigned from anywhere": (
        (SIGNATURE, "signature: {scheme: none}"),
        (
            ":24:27 sources.gate.webhook.signature.scheme: needs webhook.allow_from: nothing else tells deliveries "
            "from forgeries"
        ),
    ),
    "unknown stream": (
        ("    webhook:\n", "    streams: [charges]\n    webhook:\n"),
        ":19:15 sources.gate.streams[0]: must be a stream of the connector; there are: payments (got charges)",
    ),
}


def problems_of(text, folder):
    path = folder / "schedules.yaml"
    path.write_text(text)
    path.chmod(0o600)
    try:
        load(path, ENV)
    except ConfigError as error:
        return [line.partition("schedules.yaml")[2] for line in error.problems]
    return []


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_gateway_is_refused_with_exactly_these_lines(case, tmp_path):
    """Every key of the connector's, those under `webhook` too, is refused at its place, showing nothing secret (X1)."""
    text = VALID
    for change in (part for part in BROKEN[case] if isinstance(part, tuple)):
        assert change[0] in text
        text = text.replace(*change)
    lines = [part for part in BROKEN[case] if isinstance(part, str)]
    said = problems_of(text, tmp_path)
    assert len(said) == len(lines), said
    for one, line in zip(said, lines, strict=True):
        assert one == line or (case == "unknown key" and one.startswith(line))
        assert "hush" not in one


def test_what_they_are_broken_from_is_right(tmp_path):
    """The example of the reference loads as it stands."""
    assert problems_of(VALID, tmp_path) == []
