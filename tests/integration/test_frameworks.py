"""The receiver in other people's frameworks: the documentation's code, run in the real ones."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType

import django
import httpx
import pytest
from django.conf import settings
from django.test import Client
from django.urls import path as url
from support.docs import ROOT, marked
from support.receiving import SECRET, by_shopify, order

from reconcile import mounted
from reconcile.clock import SystemClock
from reconcile.ledger import Ledger, bodies
from reconcile.receiver import Answer, Receiver

PAGE = ROOT / "docs/how-to/receive-in-your-app.md"
CONFIG = f"""\
sources:
  acme-shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
    webhook: {{secret: {SECRET}, topics: [orders/create]}}
"""
FORGED = by_shopify(order(), secret="whsec_dummy_other")
#: (headers, status) of a genuine delivery, the same again, a forged one, one of another type
TRIED = ((by_shopify(order()), 200), (by_shopify(order()), 200), (FORGED, 401))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A configuration that the environment names; whatever receives by it is closed."""
    (tmp_path / "schedules.yaml").write_text(CONFIG)
    monkeypatch.setenv("RECONCILE_CONFIG", str(tmp_path / "schedules.yaml"))
    made: list[Receiver] = []
    mounted._process.forget()
    monkeypatch.setattr(mounted, "receiver", lambda make=mounted.receiver: made.append(make()) or made[-1])
    monkeypatch.setattr(mounted._process, "_make", mounted.receiver)
    yield tmp_path
    for one in made:
        one._ledger.close()
    mounted._process.forget()


def stored(folder) -> list[bytes]:
    """The bodies in the project's ledger."""
    ledger = Ledger.open(f"sqlite:///{folder / 'reconcile.db'}", SystemClock())
    with ledger.read() as tx:
        found = [row.body for row in tx.connection.execute(bodies.whole_events())]
    ledger.close()
    return found


def shown(name: str) -> dict[str, object]:
    """What the page's block leaves behind."""
    module = ModuleType(f"shown_{name.replace('-', '_')}")
    sys.modules[module.__name__] = module  # FastAPI looks annotations up there
    exec(compile(marked(PAGE, f"framework {name}"), name, "exec"), vars(module))  # noqa: S102 - our own documentation
    return vars(module)


def posted(app, path: str) -> list[int]:
    """What an ASGI application answers to each of `TRIED`."""

    async def post():
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://acme.example") as client:
            return [(await client.post(path, content=order(), headers=headers)).status_code for headers, _ in TRIED]

    return asyncio.run(post())


EXPECTED = [status for _, status in TRIED]


def test_a_flask_view_receives(project):
    """The function in a Flask view: stored byte for byte, repeats and forgeries answered as they should be."""
    client = shown("flask")["app"].test_client()
    answers = [client.post("/webhooks/acme-shop", data=order(), headers=headers) for headers, _ in TRIED]
    assert [answer.status_code for answer in answers] == EXPECTED
    assert stored(project) == [order()]


def test_a_fastapi_route_receives(project):
    """The function in a FastAPI route."""
    assert posted(shown("fastapi")["app"], "/webhooks/acme-shop") == EXPECTED
    assert stored(project) == [order()]


def test_mounted_in_fastapi(project):
    """The ASGI receiver mounted below a path, where deliveries share commits."""
    assert posted(shown("mount")["app"], "/hooks/webhooks/acme-shop") == EXPECTED
    assert stored(project) == [order()]


@pytest.fixture
def busy(monkeypatch):
    """A receiver that has no time now."""
    answer = Answer(429, "too many deliveries a second", retry_after=7)
    monkeypatch.setattr(mounted, "receive", lambda *_: answer)


def test_when_to_come_again_is_passed_on(busy, site):
    """429 and 503 say when: the provider hears it through every framework."""
    flask = shown("flask")["app"].test_client().post("/webhooks/acme-shop", data=order())
    slow = site.post("/webhooks/acme-shop", order(), content_type="application/json")

    async def post():
        transport = httpx.ASGITransport(shown("fastapi")["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://acme.example") as client:
            return await client.post("/webhooks/acme-shop", content=order())

    for answer in (flask, slow, asyncio.run(post())):
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


@pytest.fixture
def site(project):
    """A Django site that checks for CSRF tokens."""
    if not settings.configured:
        settings.configure(
            SECRET_KEY="dummy",
            ALLOWED_HOSTS=["*"],
            ROOT_URLCONF="urls_of_the_test",
            MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
            USE_TZ=True,
        )
        django.setup()
    urls = ModuleType("urls_of_the_test")
    urls.urlpatterns = [url("webhooks/<slug:source>", shown("django")["webhook"])]
    sys.modules[urls.__name__] = urls
    return Client(enforce_csrf_checks=True)


def test_a_django_view_receives(project, site):
    """The function in a Django view, which is exempt from the CSRF check that the site makes."""
    answers = [
        site.post("/webhooks/acme-shop", order(), content_type="application/json", headers=headers)
        for headers, _ in TRIED
    ]
    assert [answer.status_code for answer in answers] == EXPECTED
    assert site.get("/webhooks/acme-shop").status_code == 405
    assert stored(project) == [order()]


def test_beside_django(project, site):
    """The ASGI receiver beside Django: it takes the deliveries, Django the rest."""
    app = shown("django-asgi")["application"]
    assert posted(app, "/webhooks/acme-shop") == EXPECTED
    assert stored(project) == [order()]
    assert posted(app, "/elsewhere") == [404] * len(TRIED)
