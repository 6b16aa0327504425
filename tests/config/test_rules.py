from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from es_rerank.config.rules import Rules, default_rule
from es_rerank.config.settings import Settings
from es_rerank.errors import ConfigError
from es_rerank.model import (
    LongDocumentMode,
    LongDocuments,
    LowHits,
    MinProbability,
    PolicySpec,
    Protection,
    Rule,
    Why,
)

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


def test_without_a_folder_one_rule_is_for_every_index() -> None:
    given = {"window": 20, "deadline": "500ms", "policy": "rrf(10)", "long_documents": "max_passage"}
    settings = Settings.model_validate({**given, "instruction": "x"})
    rules = Rules(settings)
    assert list(rules) == [
        Rule(
            "default",
            window=20,
            deadline=0.5,
            policy=PolicySpec("rrf", 10.0),
            long=LongDocuments(LongDocumentMode.MAX_PASSAGE, None, 65536),
            instruction="x",
        )
    ]
    assert rules.choose("docs", ("docs",)) == default_rule(settings)


@pytest.mark.parametrize(
    ("profile", "policy", "expected"),
    [
        ("e5", None, PolicySpec("blend", 0.7)),
        ("minilm", None, PolicySpec("blend", 0.7)),
        ("bge-reranker", None, PolicySpec("replace")),
        ("qwen3-reranker-0.6b", None, PolicySpec("replace")),
        ("e5", "replace", PolicySpec("replace")),
        ("bge-reranker", "blend", PolicySpec("blend")),
    ],
)
def test_without_a_policy_the_profile_decides(profile: str, policy: str | None, expected: PolicySpec) -> None:
    assert default_rule(Settings(profile=profile, policy=policy)).policy == expected


def test_the_policy_of_a_rule_overrides_those_of_the_settings_and_the_profile(tmp_path: Path) -> None:
    (tmp_path / "docs.yaml").write_text("index: docs\npolicy: rrf\n")
    for policy in (None, "replace"):
        (rule,) = Rules(Settings(mappings=tmp_path, profile="e5", policy=policy))
        assert rule.policy == PolicySpec("rrf")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("protect: false\n", None),
        ("protect: true\n", Protection(1.5, 0.5)),
        ("protect: {margin: 0}\n", Protection(1.5, 0.0)),
        ("protect: {score_ratio: 2, margin: 1}\n", Protection(2.0, 1.0)),
    ],
)
def test_known_items_are_protected_on_request(rules: Write, text: str, expected: Protection | None) -> None:
    (rule,) = rules(docs=f"index: docs\n{text}")
    assert rule.protect == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("min_probability: 0.25\n", MinProbability(0.25, LowHits.DROP)),
        ("min_probability: 1\nbelow_min_probability: last\n", MinProbability(1.0, LowHits.LAST)),
    ],
)
def test_hits_with_a_low_probability_are_dropped_on_request(
    rules: Write, text: str, expected: MinProbability | None
) -> None:
    (rule,) = rules(docs=f"index: docs\n{text}")
    assert rule.min_probability == expected


def test_a_lowest_probability_needs_a_model(tmp_path: Path) -> None:
    (tmp_path / "docs.yaml").write_text("index: docs\nmin_probability: 0.5\n")
    with pytest.raises(ConfigError, match=r"docs.yaml:2: min_probability: the backend identity has no model"):
        Rules(Settings(mappings=tmp_path, backend="identity"))


def test_the_keys_of_a_file_override_the_settings(rules: Write) -> None:
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
        long=LongDocuments(LongDocumentMode.TRUNCATE, 64, 600),
        instruction="Find",
        strict=True,
    )


def test_keys_that_are_not_set_come_from_the_settings(rules: Write) -> None:
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
        ("stream", [".ds-papers-000002"], "b_papers"),
        ("p*", [".ds-papers-000001", ".ds-papers-000002"], "b_papers"),
        ("p*", ["partial-.ds-papers-2024.01.31-000002", "restored-papers"], "b_papers"),
        ("*", ["shrink-ab1_-docs"], "a_docs"),
        ("*", ["partial-shrink-ab1_-silent"], "off"),
        ("*", ["partial-.secret"], "hidden_index"),
        ("r*:*", ["remote:.secret"], "hidden_index"),
        (".kibana", [".kibana_1"], "hidden_index"),
        ("docs,.secret", ["docs", ".secret"], "hidden_index"),
        ("docs,remote:.secret", ["docs"], "hidden_index"),
        ("remote:docs", ["remote:docs"], "no_rule"),
        (".ds-papers-2024.01.31-000002", [".ds-papers-2024.01.31-000002"], "hidden_index"),
        ("docs,papers", ["other"], "no_rule"),
        ("docs,silent", ["docs", "silent"], "rules_differ"),
        ("*", ["docs", ".secret"], "a_docs"),
        ("*", [".secret"], "hidden_index"),
        ("docs", [], "a_docs"),
        ("nothing-*", [], "no_rule"),
    ],
)
def test_one_rule_must_match_all_indices(rules: Write, target: str, names: list[str], expected: str) -> None:
    found = rules(
        a_docs="index: docs\n",
        b_papers="index: ['papers', 'papers*']\n",
        c_silent="index: silent\nmode: off\n",
        d_docs_too="index: docs\nwindow: 3\n",
    ).choose(target, names)
    assert chosen(found) == expected


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder of rule files"):
        Rules(Settings(mappings=tmp_path / "none"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="no such folder of rule files"):
        Rules(Settings(mappings=tmp_path / "file"))


@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE, errno.EIO])
def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refused(path: str | Path, **_: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(ConfigError) as error:
        Rules(Settings(mappings=tmp_path))
    assert str(error.value) == f"{tmp_path}: cannot be read: {os.strerror(number)}"


def test_other_files_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("no rule")
    (tmp_path / ".hidden.yaml").write_text("not a rule")
    (tmp_path / "one.yml").write_text("index: docs\n")
    assert [rule.name for rule in Rules(Settings(mappings=tmp_path))] == ["one"]


def test_the_example_rules_can_be_read() -> None:
    folder = ROOT / "mappings"
    for path in folder.glob("*.y*ml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["index"]
    assert list(Rules(Settings(mappings=folder)))


@pytest.mark.parametrize(
    ("text", "mode", "sample_rate"),
    [
        ("", "on", 1.0),
        ("mode: on\n", "on", 1.0),
        ("mode: off\n", "off", 1.0),
        ("mode: 'off'\n", "off", 1.0),
        ("mode: shadow\n", "shadow", 1.0),
        ("mode: sample\nsample_rate: 0.1\n", "sample", 0.1),
        ("mode: sample\nsample_rate: 0\n", "sample", 0.0),
        ("mode: sample\nsample_rate: 1\n", "sample", 1.0),
    ],
)
def test_modes(rules: Write, text: str, mode: str, sample_rate: float) -> None:
    (rule,) = rules(docs="index: docs\n" + text)
    assert (rule.mode, rule.sample_rate) == (mode, sample_rate)


@pytest.mark.parametrize(("text", "partial"), [("", True), ("partial: allow\n", True), ("partial: deny\n", False)])
def test_partial_results_are_allowed_by_the_rule(rules: Write, text: str, partial: bool) -> None:
    (rule,) = rules(docs="index: docs\n" + text)
    assert rule.partial is partial


def test_a_rule_is_found_by_its_name(rules: Write) -> None:
    found = rules(docs="index: docs\n", other="index: x\n")
    assert [rule and rule.name for rule in map(found.named, ("other", "none"))] == ["other", None]


def test_rules_can_be_replaced(rules: Write) -> None:
    before = rules(docs="index: docs\n")
    before.replace_with(Rules(Settings(window=7)))
    assert [(rule.name, rule.window) for rule in before] == [("default", 7)]
    assert before.default_rule.window == 7
