from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

from es_rerank.config.rules import Rules, default_rule, schema
from es_rerank.config.settings import Settings
from es_rerank.errors import ConfigError
from es_rerank.model import Long, PolicySpec, Rule, Why

ROOT = Path(__file__).parent.parent.parent
Write = Callable[..., Rules]


@pytest.fixture
def rules(tmp_path: Path) -> Write:
    """Write rule files by name, and read them."""

    def write(**files: str) -> Rules:
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        return Rules(Settings(mappings=tmp_path))

    return write


def test_without_a_folder_one_rule_holds_everywhere() -> None:
    given = {"window": 20, "deadline": "500ms", "policy": "rrf(10)", "long_documents": "max_passage"}
    settings = Settings.model_validate({**given, "instruction": "x"})
    rules = Rules(settings)
    assert list(rules) == [
        Rule(
            "default",
            window=20,
            deadline=0.5,
            policy=PolicySpec("rrf", 10.0),
            long=Long("max_passage", None, 65536),
            instruction="x",
        )
    ]
    assert rules.choose("docs", ("docs",)) == default_rule(settings)


def test_a_file_says_what_differs_from_the_settings(rules: Write) -> None:
    (rule,) = rules(
        docs="index: [docs, 'papers-*']\nfields: [title, body.en]\ntemplate: |\n  title: {title}\n  {body.en}\n"
        "window: 9\ndeadline: 500ms\npolicy: linear(0.5)\nlong_documents: truncate\nmax_passage_tokens: 64\n"
        "max_search_tokens: 600\ninstruction: Find\nstrict: true\n"
    )
    assert rule == Rule(
        "docs",
        patterns=("docs", "papers-*"),
        fields=("title", "body.en"),
        template="title: {title}\n{body.en}\n",
        window=9,
        deadline=0.5,
        policy=PolicySpec("linear", 0.5),
        long=Long("truncate", 64, 600),
        instruction="Find",
        strict=True,
    )


def test_a_file_that_says_little_leaves_the_rest_to_the_settings(rules: Write) -> None:
    (rule,) = rules(docs="index: docs\n")
    assert (rule.patterns, rule.window, rule.deadline, rule.mode, rule.long.mode) == (("docs",), 50, 3.0, "on", None)


def chosen(found: Rule | Why) -> str:
    return found.name if isinstance(found, Rule) else found.value


@pytest.mark.parametrize(
    ("target", "names", "expected"),
    [
        ("docs", ["docs"], "a_docs"),
        ("papers-1", ["papers-1"], "b_papers"),
        ("papers-*", ["papers-1", "papers-2"], "b_papers"),
        ("docs,papers-1", ["docs", "papers-1"], "rules_differ"),
        ("docs,other", ["docs", "other"], "no_rule"),
        ("other", ["other"], "no_rule"),
        ("silent", ["silent"], "off"),
        ("an-alias", ["docs"], "a_docs"),
        ("papers", ["index-7"], "b_papers"),
        ("", ["docs"], "a_docs"),
        ("stream", [".ds-papers-2024.01.31-000002"], "b_papers"),
        (".kibana", [".kibana_1"], "hidden_index"),
        ("docs,.secret", ["docs", ".secret"], "hidden_index"),
        ("*", ["docs", ".secret"], "a_docs"),
        ("*", [".secret"], "hidden_index"),
        ("docs", [], "a_docs"),
        ("nothing-*", [], "no_rule"),
    ],
)
def test_one_rule_must_be_for_all_indices(rules: Write, target: str, names: list[str], expected: str) -> None:
    found = rules(
        a_docs="index: docs\n",
        b_papers="index: ['papers', 'papers*']\n",
        c_silent="index: silent\nmode: off\n",
        d_docs_too="index: docs\nwindow: 3\n",
    ).choose(target, names)
    assert chosen(found) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("window: 5\n", ":1: index: Field required"),
        ("index: []\n", ":1: index: List should have at least 1 item"),
        ("index: docs\nwindow: 0\n", ":2: window: Input should be greater than or equal to 2"),
        ("index: docs\n\nfeilds: [a]\n", ":3: feilds: unknown key"),
        ("index: docs\nfields: [title]\ntemplate: '{title} {body}'\n", "template names 'body'"),
        ("index: docs\npolicy: best\n", ":2: policy: must be one of"),
        ("index: docs\ndeadline: 5\n", ":2: deadline: no duration"),
        ("index: docs\ndeadline: .inf\n", ":2: deadline: no duration"),
        ("index: docs\ndeadline: .nan\n", ":2: deadline: no duration"),
        ("index: docs\ndeadline: 0.0\n", ":2: deadline: no duration"),
        ("index: docs\nwindow: .inf\n", ":2: window: Input should be a finite number"),
        ("index: docs\nmode: sample\nsample_rate: .nan\n", ":3: sample_rate: Input should be less than or equal to 1"),
        ("index: docs\nmode: maybe\n", ":2: mode: "),
        ("index:\n  - docs\n  - 3\n", ":3: index.1: "),
    ],
)
def test_complaints_name_file_line_and_field(rules: Write, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        rules(docs=text)
    assert words in str(error.value)
    assert "docs.yaml" in str(error.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder of rules"):
        Rules(Settings(mappings=tmp_path / "none"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="no such folder of rules"):
        Rules(Settings(mappings=tmp_path / "file"))


@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE, errno.EIO])
def test_a_folder_that_cannot_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refused(path: str | Path, **_: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    # Whatever looks at a folder: pathlib asks either.
    monkeypatch.setattr(os, "stat", refused)
    monkeypatch.setattr(os, "listdir", refused)
    with pytest.raises(ConfigError) as error:
        Rules(Settings(mappings=tmp_path))
    assert str(error.value) == f"{tmp_path}: cannot be read: {os.strerror(number)}"


def test_other_files_are_no_rules(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("no rule")
    (tmp_path / "one.yml").write_text("index: docs\n")
    assert [rule.name for rule in Rules(Settings(mappings=tmp_path))] == ["one"]


def test_the_schema_knows_a_good_rule_from_a_bad_one() -> None:
    checked = jsonschema.Draft202012Validator(json.loads(schema()))
    assert checked.is_valid({"index": ["docs"], "deadline": "500ms", "policy": "keep"})
    assert checked.is_valid({"index": "docs"})
    assert not checked.is_valid({"index": ["docs"], "feilds": []})


def test_the_rules_that_are_shipped_can_be_read() -> None:
    folder = ROOT / "mappings"
    for path in folder.glob("*.y*ml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["index"]
    assert list(Rules(Settings(mappings=folder)))
