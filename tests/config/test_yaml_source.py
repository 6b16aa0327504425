from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from es_rerank.config.yaml_source import load, validate
from es_rerank.errors import ConfigError


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    names: list[str] = []
    inner: Inner = Inner()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.yaml"


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null\n"])
def test_an_empty_file_is_an_empty_mapping(path: Path, text: str) -> None:
    path.write_text(text)
    assert load(path).data == {}


def test_every_key_and_item_has_a_line(path: Path) -> None:
    path.write_text("names:\n  - a\n  - b\n\ninner: {size: 3}\n")
    file = load(path)
    assert file.where(("names", 1)) == f"{path}:3"
    assert file.where(("inner", "size")) == f"{path}:5"
    assert file.where(("names", 1, "deeper")) == f"{path}:3"
    assert file.where(("unknown",)) == f"{path}:1"
    assert validate(Outer, file) == Outer(names=["a", "b"], inner=Inner(size=3))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n", ":1: the file must have `key: value` lines"),
        ("hello\n", ":1: the file must have `key: value` lines"),
        ("a: 1\nb: [1\n", ":3: not valid YAML"),
        ("a: 1\n\tb: 2\n", ":2: not valid YAML"),
        ("a: 1\nb: 2\na: 3\n", ":3: a: duplicate key"),
        ("o:\n  a: 1\n  a: 2\n", ":3: o.a: duplicate key"),
        ("a: !!python/object:os.system x\n", ":1: not valid YAML"),
        (
            "a: 1\n---\nb: 2\n",
            ":2: not valid YAML: expected a single document in the stream, but found another document",
        ),
        (
            "a: *\n",
            ":1: not valid YAML: expected alphabetic or numeric character; quote a value that starts with `*` or `&`",
        ),
        ("a: *-logs\n", ":1: not valid YAML: found undefined alias; quote a value that starts with `*` or `&`"),
        ("a: 1\n? [b]\n: 2\n", ":2: not valid YAML: a key must be a scalar"),
        ("a: 1\nb: &x [*x]\n", ":2: not valid YAML: nested too deeply"),
        ("a: 1\nb: &x\n  c: *x\n", ":3: not valid YAML: nested too deeply"),
        ("a: " + "[" * 200 + "]" * 200, ":1: not valid YAML: nested too deeply"),
    ],
)
def test_other_yaml_is_rejected_with_its_line(path: Path, text: str, words: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(path)
    assert words in str(error.value)


@pytest.mark.parametrize("item", ["[{}]", "{{<<: [{}]}}"])
def test_aliases_of_aliases_cannot_expand_without_limit(path: Path, item: str) -> None:
    """Each line expands to nine times the line before it, 9 ** 40 keys and items in all."""
    nested = [f"a{at}: &a{at} {item.format(', '.join([f'*a{at - 1}'] * 9))}\n" for at in range(1, 40)]
    path.write_text("a0: &a0 {k: v}\n" + "".join(nested))
    with pytest.raises(ConfigError, match=r"some\.yaml:\d+: not valid YAML: more than 100000 keys and items"):
        load(path)


def test_small_aliases_are_accepted(path: Path) -> None:
    path.write_text("base: &base {size: &size 3}\ninner:\n  <<: *base\n  other: *size\n")
    file = load(path)
    assert file.data["inner"] == {"size": 3, "other": 3}
    assert file.where(("inner", "other")) == f"{path}:4"


def test_a_file_that_cannot_be_read_is_an_error(path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(path)
    path.write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(path)
    path.write_bytes(b"a: \x01")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load(path)


def test_each_invalid_field_is_reported_on_a_line_of_its_own(path: Path) -> None:
    path.write_text("names:\n  - a\n  - 2\ninner:\n  size: many\n  colour: red\nnaems: []\n")
    with pytest.raises(ConfigError) as error:
        validate(Outer, load(path))
    assert str(error.value).replace(str(path), "F").splitlines() == [
        "F:3: names.1: must be text; quote it if it looks like a number",
        "F:5: inner.size: must be an integer",
        "F:6: inner.colour: unknown key",
        "F:7: naems: unknown key; did you mean `names`?",
    ]
