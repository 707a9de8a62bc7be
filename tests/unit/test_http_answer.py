"""Reading answers."""

import gzip
import tracemalloc
import zlib
from typing import Annotated

import httpx
import msgspec
import pytest
from support.http import TOKEN, Script, make_client

from reconcile.errors import BadAnswer, Retriable
from reconcile.http import HttpLimits


class Orders(msgspec.Struct):
    orders: list[msgspec.Raw]


def answering(content, **headers):
    response = httpx.Response(200, content=content, headers={k.replace("_", "-"): v for k, v in headers.items()})
    return Script(response)


WRONG = {
    "html": b"<!DOCTYPE html><html><body>Maintenance</body></html>",
    "html after a byte order mark of spaces": b"\n  <html>",
    "missing key": b'{"errors":"[API] Invalid API key"}',
    "null container": b'{"orders":null}',
    "a list where an object is expected": b"[]",
    "an object where a list is expected": b'{"orders":{}}',
    "text": b'"orders"',
    "nested too deeply": b'{"orders":' + b"[" * 100_000,
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
def test_a_200_that_is_not_the_expected_list_is_an_error_at_once(body):
    """C9: HTML, a missing key or another shape is never an empty page, and asking again would not mend it."""
    provider = answering(body)
    with pytest.raises(BadAnswer, match=r"acme: the answer of /orders\.json is not the expected list"):
        make_client(provider).get_json("/orders.json", Orders)
    assert len(provider.seen) == 1


BROKEN = {
    "empty": b"",
    "truncated": b'{"orders":[{"id":1},{"id":',
    "truncated in a string": b'{"orders":[{"id":"ab',
    "NaN": b'{"orders":[NaN]}',
    "bad UTF-8 in a raw item": b'{"orders":[{"note":"\xff\xfe"}]}',
    "two documents": b'{"orders":[]}{"orders":[]}',
    "a dropped byte": b'{"orders":[{"id":1}{"id":2}]}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_a_body_that_is_not_json_is_fetched_again_then_refused(body):
    """C9: a truncated page is retried while attempts remain and never taken for a short one."""
    provider = answering(body, content_type="application/json")
    with pytest.raises(BadAnswer, match="after 5 attempts"):
        make_client(provider).get_json("/orders.json", Orders)
    assert len(provider.seen) == 5


def test_a_body_that_is_whole_the_second_time_is_good():
    """C9: a cut connection without a length costs a retry, not the page."""
    provider = Script(httpx.Response(200, content=b'{"orders":[{'), httpx.Response(200, json={"orders": [1]}))
    value, answer = make_client(provider).get_page("/orders.json", msgspec.json.Decoder(Orders))
    assert [bytes(order) for order in value.orders] == [b"1"]
    assert answer.status == 200


@pytest.mark.parametrize("body", [*WRONG.values(), *BROKEN.values()])
def test_decode_raises_our_error_whatever_the_body(body):
    """C9: RecursionError, UnicodeDecodeError and DecodeError all become `BadAnswer`."""
    with pytest.raises(BadAnswer):
        make_client(answering(body)).get("/orders.json").decode(Orders)


def test_huge_integers_stay_exact_or_are_refused():
    """A number no field can hold is an error, never a rounded one."""
    body = b'{"id":' + b"9" * 400 + b"}"

    class Row(msgspec.Struct):
        id: int

    class Small(msgspec.Struct):
        id: Annotated[int, msgspec.Meta(lt=10**12)]

    assert make_client(answering(body)).get_json("/x", Row).id == int("9" * 400)
    with pytest.raises(BadAnswer, match="not the expected"):
        make_client(answering(body)).get_json("/x", Small)


def test_an_excerpt_is_short_and_cannot_drive_a_terminal():
    """X4: what a provider writes stays text: no escapes, no bidi controls, no second line, 80 characters."""
    hostile = "<b>\x1b[31m\u202eevil\u2066\u200b\r\nFrom: x\x00\u2028" + "a" * 500
    with pytest.raises(BadAnswer) as refused:
        make_client(answering(hostile.encode())).get_json("/orders.json", Orders)
    text = str(refused.value)
    assert text.isprintable()
    assert "evil" in text
    assert "a" * 80 not in text


def test_an_excerpt_repeats_neither_credentials_nor_queries():
    """X1: a provider that echoes the request does not make us print the token."""
    body = f"<p>{TOKEN} updated_at_min 2024-01-01T00</p>".encode()
    with pytest.raises(BadAnswer) as refused:
        make_client(answering(body)).get_json("/orders.json?updated_at_min=2024-01-01T00", Orders)
    assert TOKEN not in str(refused.value)
    assert "2024-01-01" not in str(refused.value)


@pytest.mark.parametrize(
    "echo",
    ["key%2Fdummy%2Bvalue", r"key\/dummy+value", "key/dummy&#43;value".replace("&#43;", "+"), "key/dum\nmy+value",
     "key/du\u200bmmy+value", "a2V5L2R1bW15K3ZhbHVl"],
)  # fmt: skip
def test_an_excerpt_repeats_no_credential_however_it_is_spelled(echo):
    """X1: it may come back in a URL, as PHP writes JSON, broken over lines, or in base64."""
    with pytest.raises(BadAnswer) as refused:
        make_client(answering(f"<p>{echo}</p>".encode())).get_json("/orders.json?api_key=key%2Fdummy%2Bvalue", Orders)
    assert "<p>***</p>" in str(refused.value)


def test_an_answer_shows_neither_body_nor_headers():
    """X1: an answer in a traceback or a log is its status."""
    answer = make_client(answering(b"private", set_cookie="a=secret")).get("/x?token=hidden")
    assert repr(answer) == "Answer(status=200, source='acme')"


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "deflate"])
def test_compressed_bodies_are_inflated(encoding):
    """The bytes a connector sees are the decoded ones."""
    squeeze = zlib.compress if encoding == "deflate" else gzip.compress
    client = make_client(raw(squeeze(b'{"orders":[]}'), encoding))
    assert client.get_json("/orders.json", Orders).orders == []


def test_a_gzip_bomb_is_refused_at_the_limit():
    """X5: 48 KB that would be 50 MB are inflated no further than the limit, whose name the error says."""
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < 60_000
    client = make_client(raw(bomb, "gzip"), limits=HttpLimits(max_body=1_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(BadAnswer, match=r"larger than 1000000 bytes; raise `http.max_body`"):
            client.get("/x")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000


def test_a_body_of_exactly_the_limit_is_fine():
    """X5: the limit is the last size allowed, plain or compressed."""
    limits = HttpLimits(max_body=1000)
    assert len(make_client(raw(b"x" * 1000), limits=limits).get("/x").content) == 1000
    assert len(make_client(raw(gzip.compress(b"x" * 1000), "gzip"), limits=limits).get("/x").content) == 1000
    for body, encoding in ((b"x" * 1001, ""), (gzip.compress(b"x" * 1001), "gzip")):
        with pytest.raises(BadAnswer, match="larger than 1000 bytes"):
            make_client(raw(body, encoding), limits=limits).get("/x")


@pytest.mark.parametrize("cut", [1, 30, 31, 1000])
def test_a_gzip_body_of_several_members_is_read_whole(cut):
    """C9: the first of them may be a list in itself, and the rest of the page would be missed."""
    body = gzip.compress(b'{"orders":[]', mtime=0) + gzip.compress(b"}", mtime=0) + b"\0\0padding"
    assert make_client(raw(body, "gzip", cut)).get_json("/orders.json", Orders).orders == []


def test_many_small_gzip_members_count_together():
    """X5: the limit is that of the whole body."""
    body = gzip.compress(b"x" * 600) * 2
    with pytest.raises(BadAnswer, match="larger than 1000 bytes"):
        make_client(raw(body, "gzip"), limits=HttpLimits(max_body=1000)).get("/x")


@pytest.mark.parametrize("body", [gzip.compress(b"x" * 5000, mtime=0)[:-12], b"not gzip at all"], ids=["cut", "other"])
def test_compressed_data_that_is_cut_short_is_retried(body):
    """C9: half a compressed page is not a page."""
    provider = raw(body, "gzip")
    with pytest.raises(Retriable, match=r"cut short.*after 5 attempts"):
        make_client(provider).get("/x")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_an_encoding_nobody_asked_for_is_refused(encoding):
    """X5: only what can be inflated within a limit is inflated."""
    with pytest.raises(BadAnswer, match="encoding that was not asked for"):
        make_client(raw(b"xxxx", encoding)).get("/x")


def raw(body, encoding="", piece=16_384):
    """Answers `body` as it would come off the wire, in pieces, its encoding not yet undone."""

    class Wire(httpx.SyncByteStream):
        def __iter__(self):
            return (body[start : start + piece] for start in range(0, len(body), piece))

    return lambda _request: httpx.Response(200, stream=Wire(), headers={"content-encoding": encoding})
