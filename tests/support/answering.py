"""A gateway that answers what a test says, and what its connector lists of it."""

from __future__ import annotations

import json

import httpx

from connectors.gateway import Gateway, GatewaySettings
from reconcile.connector import (
    StreamRef,
)
from reconcile.model import Window
from reconcile.testing import NOW
from reconcile.testing.worlds import client_for
from support.gateways import PLAIN, START, changed

WINDOW = Window(START, NOW)
STREAM = StreamRef("payments")
ITEM = {
    "reference": "ref_1",
    "created_at": "2026-11-20T10:00:00Z",
    "updated_at": "2026-11-20T11:00:00Z",
    "status": "paid",
}


def gateway(settings=PLAIN, **top):
    return Gateway(GatewaySettings.model_validate(changed(settings, **top)))


def answering(*bodies, status=200, headers=None):
    """A provider that gives these answers, one after the other, the last for ever; and what it was asked."""
    asked, left = [], list(bodies)

    def handle(request):
        asked.append(request)
        body = left.pop(0) if len(left) > 1 else left[0]
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, headers=headers or {}, content=content)

    return handle, asked


def listed(connector, handle):
    """Every item of a listing."""
    pages = connector.pages(client_for(connector, handle), STREAM, WINDOW, ())
    return [item for page in pages for item in page.items]
