"""A fake payment gateway that plays the published shape of a real one.

    fake = FakeGateway(shapes.RAZORPAY, clock=clock)
    fake.subscribe("https://hooks.acme.example/gate", "whsec_dummy")
    payment = fake.create("499.00", "INR")
    fake.become(payment, TransactionStatus.SUCCEEDED)      # and owes a webhook for it

records.py   payments and their history
shape.py     what a shape says; shapes.py those there are
listing.py   filters and pages
signing.py   how webhooks are signed
api.py       the gateway
"""

from reconcile.sandbox.gateway.api import FakeGateway
from reconcile.sandbox.gateway.shape import Paging, Shape
from reconcile.sandbox.gateway.shapes import BY_CURSOR, BY_LINK, BY_NEXT, PAYSTACK, PLAIN, RAZORPAY, XENDIT

__all__ = [
    "BY_CURSOR",
    "BY_LINK",
    "BY_NEXT",
    "PAYSTACK",
    "PLAIN",
    "RAZORPAY",
    "XENDIT",
    "FakeGateway",
    "Paging",
    "Shape",
]
