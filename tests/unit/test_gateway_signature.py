"""How the gateway connector verifies deliveries: vectors of others, and everything that is none of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from support.gateways import PLAIN, STANDARD_SECRET, changed

from connectors.gateway import Gateway, GatewaySettings
from reconcile.connector import Delivery, Signs
from reconcile.errors import DeliveryRefused
from reconcile.model import Event, Origin

AT = datetime.fromtimestamp(1614265330, UTC)
BODY = b'{"event_id":"evt_1","event_type":"payment.succeeded","data":{"reference":"ref_1","status":"paid"}}'
SHARED = "a shared dummy secret of enough characters"
VECTOR = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_BODY = b'{"test": 2432232314}'


@pytest.fixture(scope="module")
def key():
    """An RSA key pair, made once."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def gateway(**signature):
    return Gateway(GatewaySettings.model_validate(changed(PLAIN, signature=signature)))


def verdict(connector, headers, body=BODY, secrets=(SHARED,), at=AT):
    """The reason of a refusal, empty if it is accepted."""
    try:
        connector.verify(Delivery({name.lower(): value for name, value in headers.items()}, body, at), secrets)
    except DeliveryRefused as refusal:
        return refusal.reason if refusal.status == 401 else ""
    return ""


def pem(public, form=serialization.Encoding.PEM):
    return public.public_bytes(form, serialization.PublicFormat.SubjectPublicKeyInfo)


def one_line(public):
    return pem(public).decode().strip().replace("\n", "\\n")


def bare(key):
    return base64.b64encode(pem(key.public_key(), serialization.Encoding.DER)).decode()


def an_event(**more):
    return Event(
        **{
            "id": "payment.succeeded:ref_1", "source": "gate", "topic": "payment.succeeded", "subject": None,
            "version": None, "occurred_at": None, "data": None, "body": BODY, "headers": {}, "api_version": "",
            "origin": Origin.BACKFILL,
        } | more
    )  # fmt: skip


def test_the_official_vector_of_standard_webhooks_passes_both_ways():
    """It is accepted, and signing the same id and body at the same time makes the very same headers (X3)."""
    connector = gateway(scheme="standard-webhooks")
    assert verdict(connector, VECTOR, VECTOR_BODY, [VECTOR_SECRET]) == ""
    event = an_event(body=VECTOR_BODY, headers={"webhook-id": VECTOR["webhook-id"]})
    signed = connector.sign(event, VECTOR_SECRET, AT)
    assert {name: signed[name] for name in VECTOR} == VECTOR


def test_standard_webhooks_go_by_svix_names_too():
    """The same signature under the names that Svix sends it by."""
    renamed = {name.replace("webhook-", "svix-"): value for name, value in VECTOR.items()}
    assert verdict(gateway(scheme="standard-webhooks"), renamed, VECTOR_BODY, [VECTOR_SECRET]) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "no comma at all"},
        {"webhook-signature": VECTOR["webhook-signature"][:-1]},
        {"webhook-signature": VECTOR["webhook-signature"].replace("v1,", "v1a,")},
        {"webhook-signature": VECTOR["webhook-signature"].replace("v1,", "v2,")},
        {"webhook-signature": VECTOR["webhook-signature"].removeprefix("v1,")},
        {"webhook-signature": "v1,é\udcff"},
        {"webhook-signature": "v1,x " * 16 + VECTOR["webhook-signature"]},
        {"webhook-timestamp": "1614265331"},
        {"webhook-timestamp": "1614265330.0"},
        {"webhook-timestamp": "-1614265330"},
        {"webhook-timestamp": "٣"},
        {"webhook-timestamp": "9" * 5000},
        {"webhook-id": ""},
        {"webhook-id": "msg_other"},
        {"webhook-id": "msg_\udcff"},
    ],
)
def test_anything_else_is_no_standard_webhook(change):
    """Another version, a part of the signature, another id or time: refused, never an error of ours (X3)."""
    assert verdict(gateway(scheme="standard-webhooks"), VECTOR | change, VECTOR_BODY, [VECTOR_SECRET])


def test_several_signatures_of_a_rotation_are_looked_at():
    """The signature by the secret we have may stand beside others, `v1a` ones among them."""
    both = "v1a,AAAA v1,AAAA " + VECTOR["webhook-signature"]
    connector = gateway(scheme="standard-webhooks")
    assert verdict(connector, VECTOR | {"webhook-signature": both}, VECTOR_BODY, [STANDARD_SECRET, VECTOR_SECRET]) == ""


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_standard_webhook_of_another_time_is_refused(minutes):
    """Five minutes either way, by the time that is signed."""
    at = AT + timedelta(minutes=minutes)
    assert "replay" in verdict(gateway(scheme="standard-webhooks"), VECTOR, VECTOR_BODY, [VECTOR_SECRET], at)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_é", "not base64!", "whsec_abc"])
def test_a_secret_that_is_no_standard_one_opens_nothing(secret):
    """Neither verifying nor signing is done with half a key."""
    connector = gateway(scheme="standard-webhooks")
    assert verdict(connector, VECTOR, VECTOR_BODY, [secret])
    with pytest.raises(ValueError, match="whsec_"):
        connector.sign(an_event(), secret, AT)


def test_a_replay_has_an_id_that_can_be_signed():
    """An id of ours with dots in it would be split elsewhere by who verifies: it is put differently, always alike."""
    signed = gateway(scheme="standard-webhooks").sign(an_event(), STANDARD_SECRET, AT)
    assert "." not in signed["webhook-id"]
    assert signed == gateway(scheme="standard-webhooks").sign(an_event(), STANDARD_SECRET, AT)


HMACS = {
    "Razorpay": ({"algorithm": "sha256", "header": "X-Razorpay-Signature"}, "sha256", "hex", ""),
    "Paystack": ({"algorithm": "sha512", "header": "x-paystack-signature"}, "sha512", "hex", ""),
    "in base64": ({"header": "X-Signature", "encoding": "base64"}, "sha256", "base64", ""),
    "behind a prefix": ({"header": "X-Hub-Signature", "algorithm": "sha1", "prefix": "sha1="}, "sha1", "hex", "sha1="),
}


@pytest.mark.parametrize("name", HMACS)
def test_digests_of_the_raw_body(name):
    """Each algorithm and encoding, as it is computed from its documentation; any other of them is refused."""
    signature, algorithm, encoding, prefix = HMACS[name]
    digest = hmac.new(SHARED.encode(), BODY, algorithm).digest()
    text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    connector, header = gateway(scheme="hmac", **signature), signature["header"]
    assert verdict(connector, {header: prefix + text}) == ""
    assert (verdict(connector, {header: prefix + text.upper()}) == "") == (encoding == "hex")
    assert verdict(connector, {header: text + prefix + "0"})
    assert verdict(connector, {header: hmac.new(SHARED.encode(), BODY, "md5").hexdigest()})
    assert verdict(connector, {})
    if prefix:
        assert verdict(connector, {header: text})
        assert verdict(connector, {header: prefix.upper() + text})
    assert connector.sign(an_event(), SHARED, AT)[header] == prefix + text


def test_a_signed_time_is_held_against_the_clock():
    """With `timestamp`, what is signed is `TIME.BODY`: the time cannot be changed, nor be old."""
    connector = gateway(scheme="hmac", header="X-Signature", timestamp="X-Timestamp")
    signed = connector.sign(an_event(), SHARED, AT)
    digest = hmac.new(SHARED.encode(), b"1614265330." + BODY, "sha256").hexdigest()
    assert (signed["X-Timestamp"], signed["X-Signature"]) == ("1614265330", digest)
    assert verdict(connector, signed) == ""
    assert "replay" in verdict(connector, signed, at=AT + timedelta(minutes=6))
    assert verdict(connector, {**signed, "X-Timestamp": "1614265331"})
    assert "no" in verdict(connector, {**signed, "X-Timestamp": ""})


def test_a_token_is_the_secret_itself():
    """A static header (Xendit, Flutterwave), whole; perhaps with a word before it."""
    connector = gateway(scheme="token", header="x-callback-token")
    assert verdict(connector, {"X-Callback-Token": SHARED}) == ""
    for other in ("", SHARED[:-1], SHARED + " ", SHARED.upper(), "é", "\udcff"):
        assert verdict(connector, {"x-callback-token": other})
    assert (
        verdict(gateway(scheme="token", header="Authorization", prefix="Token "), {"authorization": f"Token {SHARED}"})
        == ""
    )


CLAIMS = {"iat": 1614265330, "sub": "evt_1"}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_tokens_signed_with_a_shared_secret():
    """HS256: accepted by the secret it was signed with, and by no other."""
    connector = gateway(scheme="jwt", header="Authorization", algorithm="HS256")
    token = jwt.encode(CLAIMS, SHARED, "HS256")
    assert verdict(connector, bearer(token)) == ""
    assert verdict(connector, bearer(token), secrets=["another dummy secret of enough characters", SHARED]) == ""
    assert verdict(connector, bearer(token), secrets=["another dummy secret of enough characters"])
    assert verdict(connector, bearer(token[:-2]))
    assert not isinstance(connector, Signs)


def test_tokens_signed_with_a_private_key(key):
    """RS256: by the public key as PEM, on one line, or bare."""
    connector = gateway(scheme="jwt", header="X-Token", algorithm="RS256")
    token = {"X-Token": jwt.encode(CLAIMS, key, "RS256")}
    for secret in (pem(key.public_key()).decode(), one_line(key.public_key()), bare(key)):
        assert verdict(connector, token, secrets=[secret]) == ""
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert verdict(connector, token, secrets=[one_line(other.public_key())])


def unsigned(claims):
    parts = (json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


def confused(public_text, claims):
    """A token that is signed with the public key's text as if that were a shared secret."""
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "HS256"}, claims)
    )
    digest = hmac.new(public_text.encode(), head + b"." + body, hashlib.sha256).digest()
    return (head + b"." + body + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode()


def test_the_algorithm_is_never_the_tokens_choice(key):
    """`none`, and a public key taken for a shared secret, are refused by every scheme (X3)."""
    text = one_line(key.public_key())
    spelled = [text, pem(key.public_key()).decode(), bare(key)]
    for algorithm in ("RS256", "HS256"):
        connector = gateway(scheme="jwt", header="Authorization", algorithm=algorithm)
        for secret in (*spelled, SHARED):
            assert verdict(connector, bearer(unsigned(CLAIMS)), secrets=[secret])
        for public in spelled:
            assert verdict(connector, bearer(confused(public, CLAIMS)), secrets=spelled)
    hs256 = jwt.encode(CLAIMS, SHARED, "HS256")
    assert verdict(
        gateway(scheme="jwt", header="Authorization", algorithm="RS256"), bearer(hs256), secrets=[SHARED, text]
    )


@pytest.mark.parametrize("secret", ["", "short", "-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----", "é" * 40])
def test_a_key_of_another_kind_opens_nothing(secret, key):
    """Neither a short secret nor half a key, nor the key of a curve, verifies an RS256 token."""
    connector = gateway(scheme="jwt", header="Authorization", algorithm="RS256")
    curve = one_line(ec.generate_private_key(ec.SECP256R1()).public_key())
    assert verdict(connector, bearer(jwt.encode(CLAIMS, key, "RS256")), secrets=[secret, curve])


@pytest.mark.parametrize(
    ("claims", "good"),
    [
        ({"iat": 1614265330}, True),
        ({"iat": 1614265330 - 240}, True),
        ({"iat": 1614265330 - 360}, False),
        ({"iat": 1614265330 + 360}, False),
        ({"exp": 1614265330 + 60}, True),
        ({"exp": 1614265330 - 360}, False),
        ({"exp": 1614265330 + 60, "nbf": 1614265330 + 360}, False),
        ({"exp": "soon"}, False),
        ({"iat": True}, False),
        ({"exp": float("inf")}, False),
        ({}, False),
        ({"sub": "evt_1"}, False),
    ],
)
def test_a_token_is_good_for_a_time(claims, good):
    """By when the delivery came, never by the machine's clock; one that says no time could be replayed for ever."""
    token = jwt.encode(claims, SHARED, "HS256") if claims != {"exp": "soon"} else confused(SHARED, claims)
    connector = gateway(scheme="jwt", header="Authorization", algorithm="HS256")
    assert (verdict(connector, bearer(token)) == "") == good


def test_a_token_can_cover_the_body():
    """With `body`, the claim of that name is the body's SHA-256: another body is refused."""
    connector = gateway(scheme="jwt", header="Authorization", algorithm="HS256", body="body_sha256")
    token = jwt.encode({**CLAIMS, "body_sha256": hashlib.sha256(BODY).hexdigest()}, SHARED, "HS256")
    assert verdict(connector, bearer(token)) == ""
    assert "another body" in verdict(connector, bearer(token), BODY + b" ")
    assert "another body" in verdict(connector, bearer(jwt.encode(CLAIMS, SHARED, "HS256")))


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "é.é.é", "\udcff", "x" * 100_000, "e30.e30.e30", "[" * 9000])
def test_garbage_is_no_token(token):
    """Whatever the header holds, it is refused and nothing breaks."""
    assert verdict(gateway(scheme="jwt", header="Authorization", algorithm="HS256"), bearer(token))


def test_deeply_nested_claims_break_nothing():
    """A genuine signature over claims that no parser should go into."""
    head = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=")
    body = base64.urlsafe_b64encode(b"[" * 6000).rstrip(b"=")
    digest = hmac.new(SHARED.encode(), head + b"." + body, hashlib.sha256).digest()
    token = (head + b"." + body + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode()
    assert verdict(gateway(scheme="jwt", header="Authorization", algorithm="HS256"), bearer(token))


@pytest.mark.parametrize("scheme", ["hmac", "token", "jwt"])
def test_without_a_secret_nothing_is_accepted(scheme):
    """No configured secret is no reason to let anything in."""
    more = {"algorithm": "HS256"} if scheme == "jwt" else {}
    connector = gateway(scheme=scheme, header="X-Signature", **more)
    for secrets in ([], [""], [" "]):
        assert verdict(connector, {"X-Signature": ""}, secrets=secrets)
