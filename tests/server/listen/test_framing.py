"""Where each message of a connection ends, however its bytes arrive."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from es_rerank.server.listen import framing
from es_rerank.server.listen.framing import FramingError, HeadTooLongError, MessageFraming, escaped

MAX_FIELDS = 64
HEAD = b"POST /_bulk HTTP/1.1\r\nHost: x\r\n\r\n"
# Size of the body (None: chunked, 0: no body), the bytes of the body, whether there are trailer fields.
BODIES: Sequence[tuple[int | None, bytes, bool]] = (
    (0, b"", False),
    (5, b"he\r\n\r", False),
    (None, b"0\r\n\r\n", False),
    (None, b"5\r\nhello\r\n0\r\n\r\n", False),
    (None, b"00a;ext=1\r\n0\r\n\r\nhell\r\r\n00\r\n\r\n", False),
    (None, b"1\r\nh\r\n0\r\nes-security-runas-user: admin\r\n\r\n", True),
    (None, b"0\r\na: 0\r\nb: 1\r\n\r\n", True),
    (None, b"0\r\n0\r\n\r\n", True),
)


def messages(pieces: Sequence[bytes], sizes: Sequence[int | None]) -> list[tuple[bytes, bytes, bool]]:
    """Split what arrives into heads and bodies; *sizes* are those of the bodies, in order."""
    found: list[tuple[bytes, bytes, bool]] = []
    turn = iter(sizes)
    position = MessageFraming(MAX_FIELDS)
    head = body = received = b""
    for data in pieces:
        received += data
        while received:
            piece, received = position.split(received)
            head, body = (head + piece, body) if position.in_head else (head, body + piece)
            size = next(turn) if position.ended and position.in_head else 0
            if size != 0:
                position.body(size)
            elif position.ended:
                found.append((head, body, position.has_trailers))
                head = body = b""
                position.next_message()
    assert (head, body) == (b"", b"")
    return found


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 1000])
def test_messages_end_at_the_same_bytes_however_they_arrive(step: int) -> None:
    wire = b"\r\n\n".join(HEAD + body for _, body, _ in BODIES)
    pieces = [wire[at : at + step] for at in range(0, len(wire), step)]
    expected = [(HEAD, body, has_trailers) for _, body, has_trailers in BODIES]
    assert messages(pieces, [size for size, _, _ in BODIES]) == expected


@pytest.mark.parametrize(
    "line", [b"zz\r\n", b"+5\r\n", b"0x5\r\n", b" 5\r\n", b"5 \r\n", b"5\n", b"-1\r\n", b"\r\n", b"1" * 17 + b"\r\n"]
)
def test_the_size_of_a_chunk_is_a_hexadecimal_number(line: bytes) -> None:
    position = MessageFraming(MAX_FIELDS)
    position.body(None)
    with pytest.raises(FramingError, match="size"):
        position.split(line + b"hello\r\n0\r\n\r\n")


def test_a_line_of_a_chunked_body_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "_MAX_CHUNK_LINE_BYTES", 100)
    for start in (b"5;" + b"x" * 40, b"0\r\na: " + b"x" * 40):
        position = MessageFraming(MAX_FIELDS)
        position.body(None)
        position.split(start)
        with pytest.raises(FramingError, match="too long"):
            position.split(b"x" * 60)


def test_only_the_request_line_is_escaped() -> None:
    request = "GET /é HTTP/1.1\r\nX-Name: é\r\n\r\n".encode()
    expected = "GET /%C3%83%C2%A9 HTTP/1.1\r\nX-Name: é\r\n\r\n".encode()
    for cut in range(len(request)):
        assert b"".join(head for head, _, _ in messages([b"\r\n" + request[:cut], request[cut:]], [0])) == expected
    assert escaped(b"GET / HTTP/1.1") == b"GET / HTTP/1.1"


@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize(("fields", "fits"), [(b"a: %b\r\n" % (b"b" * 39), True), (b"a: b\r\n" * 10, False)])
def test_a_head_is_no_longer_than_the_limit(fields: bytes, fits: bool, step: int) -> None:
    head = b"GET / HTTP/1.1\r\n" + fields + b"\r\n"
    position = MessageFraming(MAX_FIELDS)
    taken = b""
    try:
        for at in range(0, len(head), step):
            assert position.has_begun is (at > 0)
            taken += position.split(head[at : at + step])[0]
    except HeadTooLongError:
        assert len(taken) <= MAX_FIELDS
    assert (len(head) <= MAX_FIELDS, position.ended, taken == head, position.has_begun) == (fits, fits, fits, not fits)


def test_trailer_fields_are_no_longer_than_the_limit() -> None:
    position = MessageFraming(MAX_FIELDS)
    position.split(HEAD)
    position.body(None)
    position.split(b"0\r\n" + b"a: b\r\n" * 10)
    assert not position.ended
    with pytest.raises(FramingError, match="too long"):
        position.split(b"a: b\r\n")


def test_the_size_of_earlier_messages_does_not_count() -> None:
    position = MessageFraming(MAX_FIELDS)
    for _ in range(10):
        position.split(HEAD)
        position.body(None)
        position.split(b"0\r\n" + b"a: b\r\n" * 9 + b"\r\n")
        assert position.ended
        position.next_message()


def test_the_parser_gets_the_headers_when_all_of_them_have_arrived() -> None:
    position = MessageFraming(MAX_FIELDS)
    sent = [b"\r\nGE", b"T / HTTP/1.1\r", b"\na: 1\r", b"\nb: 2\r\n\r", b"\nGET"]
    taken = [position.split(piece) for piece in sent]
    assert taken == [
        (b"GE", b""),
        (b"T / HTTP/1.1\r", b""),
        (b"\n", b""),
        (b"", b""),
        (b"a: 1\r\nb: 2\r\n\r\n", b"GET"),
    ]


def test_the_parser_gets_a_line_that_ends_without_a_carriage_return_at_once() -> None:
    position = MessageFraming(MAX_FIELDS)
    assert position.split(b"GET / HTTP/1.1\r\na: 1\r") == (b"GET / HTTP/1.1\r\n", b"")
    assert position.split(b"\nb: 2\n") == (b"a: 1\r\nb: 2\n", b"")
