from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank.token_rates import ENGLISH_VOCABULARY, LARGE_VOCABULARY, Tokens

# Texts with their token counts by the tokenizers of multilingual-e5-small and all-MiniLM-L6-v2.
PROSE = [
    (
        "A dripping tap usually needs a new washer: close the stop valve, unscrew the handle and replace the seal.",
        27,
        25,
    ),
    (
        (
            "Nach etwa zehn Minuten in kochendem Wasser ist das Eigelb eines Eis vollständig fest und "
            "lässt sich schneiden."
        ),
        24,
        39,
    ),
    ("После ремонта крана вода больше не капает, но прокладку нужно менять каждые два года.", 22, 71),
    ("خفض سطوع الشاشة وإغلاق التطبيقات يطيل عمر البطارية", 15, 43),
    ("降低屏幕亮度、关闭后台应用并打开省电模式，可以延长手机电池的使用时间。", 23, 35),
    ("蛇口から水が漏れるときは、止水栓を閉めてからパッキンを交換します。", 24, 33),
    ("화면 밝기를 낮추고 백그라운드 앱을 닫으면 배터리 사용 시간이 늘어납니다.", 20, 57),
    ('def read(path: Path) -> dict[str, Any]:\n    return json.loads(path.read_text(encoding="utf-8"))\n', 39, 40),
    ("🚰 drips 🔧 fixed 👍👍", 10, 6),
]
OTHER = [
    (" ".join(str(number * number * 7919) for number in range(1, 30)), 86, 107),
    (hashlib.sha512(b"a").hexdigest(), 78, 1),
    (base64.b64encode(hashlib.sha512(b"a").digest()).decode(), 66, 65),
]


@pytest.mark.parametrize(("text", "large", "english"), PROSE + OTHER)
def test_no_text_has_more_tokens_than_the_bound(text: str, large: int, english: int) -> None:
    assert large <= LARGE_VOCABULARY.measure(text).most
    assert english <= ENGLISH_VOCABULARY.measure(text).most


@pytest.mark.parametrize(("text", "large", "english"), PROSE)
def test_the_estimate_of_prose_is_close(text: str, large: int, english: int) -> None:
    assert large * 0.9 <= LARGE_VOCABULARY.measure(text).estimate <= large * 1.5
    assert english * 0.75 <= ENGLISH_VOCABULARY.measure(text).estimate <= english * 1.7


@given(st.text())
def test_the_bound_is_at_most_a_token_per_byte(text: str) -> None:
    for rates in (LARGE_VOCABULARY, ENGLISH_VOCABULARY):
        found = rates.measure(text)
        assert found.most <= len(text.encode("utf-8", "replace"))
        assert found.estimate >= 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Tokens(1, 0)),
        ("hose", Tokens(int(4 * 0.17 + 0.45) + 1, 2)),
        ("a b\nc\td", Tokens(int(4 * 0.17 + 4 * 0.45) + 1, 4)),
        ("ABCDEFGHIJ", Tokens(int(10 * 0.38 + 0.45) + 1, 7)),
        ("0123456789", Tokens(int(10 * 0.5 + 0.45) + 1, 9)),
        ("az" * 5, Tokens(int(10 * 0.17 + 0.45) + 1, 4)),
        ("AZ" * 5, Tokens(int(10 * 0.38 + 0.45) + 1, 7)),
        ("09" * 5, Tokens(int(10 * 0.5 + 0.45) + 1, 9)),
        # The neighbors of letters and digits in ASCII.
        ("@[`{/:~!", Tokens(int(8 * 1.15 + 0.45) + 1, 8)),
        ("\x7f\x00", Tokens(int(2 * 1.15 + 0.45) + 1, 2)),
        ("\u0080" * 10, Tokens(int(10 * 0.22 + 0.45) + 1, 4)),
        ("\u07ff" * 10, Tokens(int(10 * 0.22 + 0.45) + 1, 4)),
        ("\u0800" * 10, Tokens(int(10 * 0.75 + 0.45) + 1, 12)),
        ("\uffff" * 10, Tokens(int(10 * 0.75 + 0.45) + 1, 12)),
        ("\U00010000" * 10, Tokens(int(10 * 1.5 + 0.45) + 1, 24)),
        ("()()()()", Tokens(int(8 * 1.15 + 0.45) + 1, 8)),
        ("ü" * 20, Tokens(int(20 * 0.22 + 0.45) + 1, 8)),
        ("水" * 20, Tokens(int(20 * 0.75 + 0.45) + 1, 24)),
        ("😀" * 20, Tokens(int(20 * 1.5 + 0.45) + 1, 46)),
        ("ü水😀" * 10, Tokens(int(10 * (0.22 + 0.75 + 1.5) + 0.45) + 1, 38)),
        ("a" * 12, Tokens(int(12 * 0.17 + 0.45) + 1, 4)),
        ("a" * 13, Tokens(int(13 * 0.6) + 1, 13)),
        ("a" * 26 + " b", Tokens(int(27 * 0.6) + 1, 28)),
        ("\ud800", Tokens(2, 1)),
    ],
)
def test_each_kind_of_character_has_its_rate(text: str, expected: Tokens) -> None:
    assert LARGE_VOCABULARY.measure(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a" * 10, Tokens(int(10 * 0.19 + 0.5) + 1, 4)),
        ("a a a a", Tokens(int(4 * 0.19 + 4 * 0.5) + 1, 5)),
        ("A" * 10, Tokens(int(10 * 0.45 + 0.5) + 1, 8)),
        ("0" * 10, Tokens(int(10 * 0.5 + 0.5) + 1, 9)),
        ("(" * 10, Tokens(int(10 * 1.2 + 0.5) + 1, 10)),
        ("ü" * 10, Tokens(int(10 * 0.95 + 0.5) + 1, 16)),
        ("水" * 10, Tokens(int(10 * 1.5 + 0.5) + 1, 24)),
        ("😀" * 10, Tokens(int(10 * 1.0 + 0.5) + 1, 16)),
    ],
)
def test_the_rates_of_an_english_vocabulary(text: str, expected: Tokens) -> None:
    assert ENGLISH_VOCABULARY.measure(text) == expected
