"""Sources that cannot be used: what is said of them.

Each case is a text, and then every line that is said of it, whole but for the file's name in front.
"""

from __future__ import annotations

import pytest
from support.config import ENV, VALID, below, in_source, problems_of

BROKEN = {
    "no sources": (
        "timezone: UTC\n",
        ":1:1 sources: is required",
    ),
    "empty sources": (
        "sources: {}\n",
        ":1:1 sources: must name at least one source",
    ),
    "null sources": (
        "sources:\n",
        ":1:9 sources: is empty; give it a value or leave the key out",
    ),
    "list of sources": (
        "sources: [a]\n",
        ":1:1 sources: must be a mapping of source names (got a list)",
    ),
    "number for text": (
        in_source("note: 5"),
        ":6:11 sources.acme.note: must be text; put it in quotes (got 5)",
    ),
    "float for int": (
        in_source("valve: 1.5"),
        ":6:12 sources.acme.valve: must be a whole number, without quotes (got 1.5)",
    ),
    "bool for int": (
        in_source("valve: true"),
        ":6:12 sources.acme.valve: must be a whole number, without quotes (got true)",
    ),
    "unknown top": (
        below("shedules: []"),
        ":6:1 shedules: unknown key; did you mean schedules?",
    ),
    "unknown top far": (
        below("colour: red"),
        ":6:1 colour: unknown key; there are: ledger, timezone, defaults, sources, schedules, alerts",
    ),
    "unknown in source": (
        in_source("webhok: {}"),
        ":6:5 sources.acme.webhok: unknown key; did you mean webhook?",
    ),
    "unknown in source far": (
        in_source("colour: red"),
        (
            ":6:5 sources.acme.colour: unknown key; there are: settle, overlap, valve, timeout, retry, "
            "http, connector, base_url, webhook, streams, handler, recorded, late, transactions, ladder, "
            "shop, access_token, pages, note, pin"
        ),
    ),
    "unknown in webhook": (
        in_source("webhook: {topic: [a/b]}"),
        ":6:5 sources.acme.webhook.topics: is required",
        ":6:15 sources.acme.webhook.topic: unknown key; did you mean topics?",
    ),
    "unknown in http": (
        in_source("http: {dead_line: 3s}"),
        ":6:12 sources.acme.http.dead_line: unknown key; did you mean deadline?",
    ),
    "unknown in defaults": (
        below("defaults: {valv: 3}"),
        ":6:12 defaults.valv: unknown key; did you mean valve?",
    ),
    "source key in defaults": (
        below("defaults: {streams: [orders]}"),
        ":6:12 defaults.streams: unknown key; there are: settle, overlap, valve, timeout, retry, http",
    ),
    "unknown in handler": (
        in_source('handler: {url: "https://a.example/x", concurency: 3}'),
        ":6:43 sources.acme.handler.concurency: unknown key; did you mean concurrency?",
    ),
    "bad source name": (
        "sources:\n  Acme Shop:\n    connector: pay\n    api_key: sk_test_dummy\n",
        ":2:3 sources.Acme Shop: must be of lower-case letters, digits and hyphens, such as acme-shop",
    ),
    "no connector": (
        "sources:\n  acme:\n    api_key: sk_test_dummy\n",
        ":2:3 sources.acme.connector: is required",
    ),
    "unknown connector": (
        "sources:\n  acme:\n    connector: shpo\n    token: hush\n",
        ":3:16 sources.acme.connector: no connector is called 'shpo'; there are: pay, shop",
    ),
    "unknown connector env": (
        "sources:\n  acme:\n    connector: ${WORD}\n    token: hush\n",
        ":3:16 sources.acme.connector: is not the name of a connector (from the environment)",
    ),
    "connector not importable": (
        "sources:\n  acme:\n    connector: halved\n",
        ":3:16 sources.acme.connector: cannot be imported: ImportError; is its package installed whole? (got halved)",
    ),
    "connector number": (
        "sources:\n  acme:\n    connector: 5\n",
        ":3:16 sources.acme.connector: must be text; put it in quotes (got 5)",
    ),
    "source not mapping": (
        "sources:\n  acme: shop\n",
        ":2:9 sources.acme: must be a mapping with the key connector",
    ),
    "missing setting": (
        "sources:\n  acme:\n    connector: shop\n    access_token: shpat_dummy\n",
        ":2:3 sources.acme.shop: is required",
    ),
    "empty secret setting": (
        "sources:\n  acme:\n    connector: pay\n    api_key: ''\n",
        ":4:14 sources.acme.api_key: must not be empty",
    ),
    "blank secret setting": (
        "sources:\n  acme:\n    connector: pay\n    api_key: '  '\n",
        ":4:14 sources.acme.api_key: must not be empty",
    ),
    "secret number": (
        "sources:\n  acme:\n    connector: pay\n    api_key: 12345\n",
        ":4:14 sources.acme.api_key: must be text; put it in quotes",
    ),
    "secret octal": (
        "sources:\n  acme:\n    connector: pay\n    api_key: 0123\n",
        ":4:14 sources.acme.api_key: YAML may take this for another number; write plain digits, or put it in quotes",
    ),
    "secret by type only": (
        in_source("pin: 0123"),
        ":6:10 sources.acme.pin: YAML may take this for another number; write plain digits, or put it in quotes",
    ),
    "careless message": (
        in_source("note: bad hush"),
        ":6:11 sources.acme.note: must not begin with bad, but is bad hush (got bad hush)",
    ),
    "careless message env": (
        in_source("note: bad ${WORD}"),
        ":6:11 sources.acme.note: is not accepted by the connector (from the environment)",
    ),
    "message of secret": (
        VALID.replace("shpat_dummy", "${TOKEN}"),
        ":5:19 sources.acme.access_token: must begin with shpat_ (from the environment)",
    ),
    "pattern": (
        VALID.replace("acme.example", "ACME"),
        ":4:11 sources.acme.shop: must match pattern '^[a-z.]+$' (got ACME)",
    ),
    "pattern env": (
        VALID.replace("acme.example", "${NUM}"),
        ":4:11 sources.acme.shop: must match pattern '^[a-z.]+$' (from the environment)",
    ),
    "setting too small": (
        in_source("pages: 0"),
        ":6:12 sources.acme.pages: must be at least 1 (got 0)",
    ),
    "not set": (
        in_source("pin: ${MISSING}"),
        ":6:10 sources.acme.pin: the environment variable MISSING is not set",
    ),
    "two not set": (
        in_source('note: "${ONE} ${TWO}"'),
        ":6:11 sources.acme.note: the environment variable ONE is not set",
        ":6:11 sources.acme.note: the environment variable TWO is not set",
    ),
    "set empty": (
        in_source("pin: ${EMPTY}"),
        ":6:10 sources.acme.pin: the environment variable EMPTY is empty",
    ),
    "malformed var": (
        in_source("note: ${9}"),
        ":6:11 sources.acme.note: ${…} must hold a name, or a name and a plain default: ${NAME:-default}",
    ),
    "unclosed var": (
        in_source("note: ${NAME"),
        ":6:11 sources.acme.note: ${ is not closed by }; write $${ for a literal ${",
    ),
    "nested default": (
        in_source("note: ${A:-${B}}"),
        ":6:11 sources.acme.note: ${…} must hold a name, or a name and a plain default: ${NAME:-default}",
    ),
    "env in number": (
        in_source("valve: ${NUM}"),
        ":6:12 sources.acme.valve: must be a whole number, without quotes (from the environment)",
    ),
    "env default in number": (
        in_source("valve: ${NONE:-many}"),
        ":6:12 sources.acme.valve: must be a whole number, without quotes (got many)",
    ),
    "http webhook": (
        in_source("webhook:", "  url: http://hooks.example/x?token=abc", "  topics: [a/b]"),
        ":7:12 sources.acme.webhook.url: must be https (got http://hooks.example/x)",
    ),
    "http webhook env": (
        in_source("webhook:", "  url: ${HTTP}", "  topics: [a/b]"),
        ":7:12 sources.acme.webhook.url: must be https (from the environment)",
    ),
    "http webhook env partly": (
        in_source("webhook:", "  url: http://${WORD}/x", "  topics: [a/b]"),
        ":7:12 sources.acme.webhook.url: must be https (from the environment)",
    ),
    "no url": (
        in_source("webhook: {url: hooks.example/x, topics: [a/b]}"),
        ":6:20 sources.acme.webhook.url: must be a URL such as https://host/path (got hooks.example/x)",
    ),
    "userinfo": (
        in_source("webhook: {url: 'https://me:hush@hooks.example/x', topics: [a/b]}"),
        (
            ":6:20 sources.acme.webhook.url: must not carry a user, a password or a #fragment (got "
            "https://…@hooks.example/x)"
        ),
    ),
    "url port": (
        in_source("webhook: {url: 'https://hooks.example:99999/x', topics: [a/b]}"),
        ":6:20 sources.acme.webhook.url: must be a URL such as https://host/path (got https://hooks.example:99999/x)",
    ),
    "url space": (
        in_source("webhook: {url: 'https://hooks.example/a b', topics: [a/b]}"),
        (
            ":6:20 sources.acme.webhook.url: must be a URL without spaces, line breaks or backslashes (got "
            "https://hooks.example/a b)"
        ),
    ),
    "webhook text": (
        in_source("webhook: https://hooks.example/x"),
        ":6:14 sources.acme.webhook: must be a mapping",
    ),
    "webhook no topics": (
        in_source("webhook: {url: 'https://hooks.example/x'}"),
        ":6:5 sources.acme.webhook.topics: is required",
    ),
    "topics empty": (
        in_source("webhook: {topics: []}"),
        ":6:15 sources.acme.webhook.topics: must not be empty",
    ),
    "topics text": (
        in_source("webhook: {topics: orders/create}"),
        ":6:23 sources.acme.webhook.topics: must be a list (got orders/create)",
    ),
    "topic twice": (
        in_source("webhook:", "  topics:", "    - orders/create", "    - orders/create"),
        ":9:11 sources.acme.webhook.topics[1]: must not be given twice (got orders/create)",
    ),
    "topic empty": (
        in_source("webhook: {topics: ['']}"),
        ":6:24 sources.acme.webhook.topics[0]: must not be empty",
    ),
    "topic number": (
        in_source("webhook: {topics: [5]}"),
        ":6:24 sources.acme.webhook.topics[0]: must be text; put it in quotes (got 5)",
    ),
    "secret empty": (
        in_source("webhook: {topics: [a/b], secret: ''}"),
        ":6:38 sources.acme.webhook.secret: must not be empty",
    ),
    "secret by its Python name": (
        in_source("webhook: {topics: [a/b], secrets: hush}"),
        ":6:30 sources.acme.webhook.secrets: unknown key; did you mean secret?",
    ),
    "secrets empty": (
        in_source("webhook: {topics: [a/b], secret: []}"),
        ":6:30 sources.acme.webhook.secret: must not be empty",
    ),
    "one secret empty": (
        in_source("webhook: {topics: [a/b], secret: [whsec_dummy, '']}"),
        ":6:52 sources.acme.webhook.secret[1]: must not be empty",
    ),
    "secret newline": (
        in_source("webhook:", "  topics: [a/b]", "  secret: |", "    whsec_dummy"),
        ":8:15 sources.acme.webhook.secret: must not hold line breaks or control characters",
    ),
    "base_url path": (
        in_source("base_url: https://acme.example/api"),
        (
            ":6:15 sources.acme.base_url: must be a scheme and a host only, such as https://host (got "
            "https://acme.example/api)"
        ),
    ),
    "base_url http": (
        in_source("base_url: http://acme.example"),
        ":6:15 sources.acme.base_url: must be https (got http://acme.example)",
    ),
    "stream unknown": (
        in_source("streams: [orders, ordrs]"),
        ":6:23 sources.acme.streams[1]: must be a stream of the connector; there are: orders, refunds (got ordrs)",
    ),
    "stream twice": (
        in_source("streams: [orders, orders]"),
        ":6:23 sources.acme.streams[1]: must not be given twice (got orders)",
    ),
    "streams empty": (
        in_source("streams: []"),
        ":6:5 sources.acme.streams: must not be empty",
    ),
    "handler word": (
        in_source("handler: acme"),
        ":6:14 sources.acme.handler: must be module:attribute, such as acme.webhooks:handlers (got acme)",
    ),
    "handler number": (
        in_source("handler: 5"),
        ":6:14 sources.acme.handler: must be module:attribute, a URL, or {url: https://…} (got 5)",
    ),
    "handler list": (
        in_source("handler: [a]"),
        ":6:5 sources.acme.handler: must be module:attribute, a URL, or {url: https://…}",
    ),
    "handler http": (
        in_source("handler: http://app.example/x"),
        ":6:14 sources.acme.handler: must be https, or say {url: …, allow_http: true} (got http://app.example/x)",
    ),
    "handler http long": (
        in_source("handler: {url: 'http://app.example/x', allow_http: false}"),
        ":6:20 sources.acme.handler.url: must be https, or say {url: …, allow_http: true} (got http://app.example/x)",
    ),
    "handler empty mapping": (
        in_source("handler: {}"),
        ":6:5 sources.acme.handler.url: is required",
    ),
    "handler concurrency": (
        in_source("handler: {url: 'https://a.example', concurrency: 0, rate: fast}"),
        ":6:54 sources.acme.handler.concurrency: must be at least 1 (got 0)",
        ":6:63 sources.acme.handler.rate: must be a rate such as 10/s or 100/m (got fast)",
    ),
    "handler is webhook": (
        in_source("webhook: {url: 'https://hooks.example/x', topics: [a/b]}", "handler: https://HOOKS.example:443/x/"),
        (
            ":7:14 sources.acme.handler: must not be webhook.url: what we replay would come back to our own "
            "door (got https://HOOKS.example:443/x/)"
        ),
    ),
    "recorded word": (
        in_source("recorded: acme"),
        ":6:15 sources.acme.recorded: must be module:attribute, such as acme.webhooks:handlers (got acme)",
    ),
    "recorded no keys": (
        in_source("recorded: {database: 'sqlite:///a.db', query: select 1}"),
        (
            ":6:51 sources.acme.recorded.query: must ask for :keys, such as select id from events where id "
            "in :keys (got select 1)"
        ),
    ),
    "recorded no database": (
        in_source("recorded: {query: 'select k where k in :keys'}"),
        ":6:5 sources.acme.recorded.database: is required",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_source_is_refused_with_exactly_these_lines(case, tmp_path, monkeypatch):
    """A source that cannot be used is refused at its line and column, showing nothing secret (X1)."""
    monkeypatch.chdir(tmp_path)
    text, *lines = BROKEN[case]
    assert list(problems_of(text, ENV)) == lines
