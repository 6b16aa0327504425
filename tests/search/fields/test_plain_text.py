from __future__ import annotations

from base64 import b64encode

import pytest

from es_rerank.search.fields.plain_text import plain_text

ENCODED = b64encode(bytes(range(256)) * 4).decode()


@pytest.mark.parametrize(
    "text",
    [
        "A plain text.",
        "if a < b and c > d: return List<String>",
        "std::vector<std::pair<int, int>> rows; // a & b",
        "<title>",
        "R&D; AT&T",
        "https://shop.example/?a=1&copy=2",
        "a;b, not;base64,abc",
        "x" * 100,
        "漏水软管" * 100,
        "",
        "a <b",
    ],
)
def test_texts_without_markup_are_unchanged(text: str) -> None:
    assert plain_text(text) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<p>A <b>garden</b> hose</p>", "A garden hose"),
        ("<P CLASS='x'>One</P><p>Two</p>", "One Two"),
        ("one<br>two<br/>three", "one two three"),
        ('<a href="/x?a=1&b=2">link</a> text', "link text"),
        ("<p>a</p><script>if (a < b) { x() }</script><p>b</p>", "a b"),
        ("<p>a</p><SCRIPT src='x'></SCRIPT>b", "a b"),
        ("<style>p { color: red }</style><p>a</p>", "a"),
        ("<!-- hidden <p>x</p> --><p>seen</p>", "seen"),
        ("<!DOCTYPE html><html><body>seen</body></html>", "seen"),
        ("<p>Use List<String> here</p>", "Use List<String> here"),
        ("<p>open <script> never closed</p>", "open never closed"),
        ("Fish &amp; chips &#8211; &quot;good&quot;", 'Fish & chips – "good"'),
        ("<p>1 &lt; 2</p>", "1 < 2"),
        ('<img src="data:image/png;base64,' + ENCODED + '"> caption', "caption"),
        (f"see data:image/png;base64,{ENCODED} here", "see   here"),
        (ENCODED, ""),
        (f"data:application/pdf;base64,{ENCODED}", ""),
        ("\n".join(ENCODED[at : at + 76] for at in range(0, 1200, 76)), ""),
        ("0123456789abcdef" * 20, ""),
    ],
)
def test_markup_and_encoded_data_are_removed(value: str, expected: str) -> None:
    assert plain_text(value) == expected


@pytest.mark.parametrize(
    "part", ["<p ", "<p", "<!--", "<script>", "</p>", '<p "', "<style", "&amp;", "data:a/b;base64,A"]
)
def test_the_work_grows_with_the_length(part: str) -> None:
    # A quadratic expression would need minutes for these.
    assert plain_text(f"<br>{part * 200_000}") is not None
