from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from es_rerank.config.rule_file import RuleFile, schema
from es_rerank.config.yaml_source import YamlFile, load, validate
from es_rerank.errors import ConfigError


def written(folder: Path, text: str) -> YamlFile:
    path = folder / "docs.yaml"
    path.write_text(text)
    return load(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("window: 5\n", ":1: index: this key is required"),
        ("index: []\n", ":1: index: must have at least 1 item"),
        ("index: docs\nwindow: 0\n", ":2: window: must be at least 2"),
        ("index: docs\n\nfeilds: [a]\n", ":3: feilds: unknown key; did you mean `fields`?"),
        ("index: docs\nfields: [title]\ntemplate: '{title} {body}'\n", "template uses 'body'"),
        ("index: docs\nfields: [title]\ntemplate: '{title'\n", "template has '{title' without a closing brace"),
        ("index: docs\nfields: [a.b]\ntemplate: '{a.b} {a.b {a.b}'\n", "template has '{a.b' without"),
        ("index: docs\nfields: [a]\ntemplate: '{a}'\nlabels: true\n", "`labels` cannot be combined with `template`"),
        ("index: docs\npolicy: best\n", ":2: policy: must be one of"),
        ("index: docs\nprotect: yes, please\n", ":2: protect: "),
        ("index: docs\nmin_probability: 0\n", ":2: min_probability: must be greater than 0"),
        ("index: docs\nmin_probability: 1.5\n", ":2: min_probability: must be at most 1"),
        ("index: docs\nmin_probability: 1\nbelow_min_probability: only_scored\n", ":3: below_min_probability: "),
        ("below_min_probability: last\nindex: docs\n", "`below_min_probability` requires `min_probability`"),
        ("index: docs\nprotect:\n  margin: 1.5\n", ":3: protect.margin: must be at most 1"),
        ("index: docs\nprotect:\n  score_ratio: 0.5\n", ":3: protect.score_ratio: must be at least 1"),
        ("index: docs\nprotect:\n  gap: 2\n", ":3: protect.gap: unknown key"),
        ("index: docs\ndeadline: 5\n", ":2: deadline: must be a duration"),
        ("index: docs\ndeadline: .inf\n", ":2: deadline: must be a duration"),
        ("index: docs\ndeadline: .nan\n", ":2: deadline: must be a duration"),
        ("index: docs\ndeadline: 0.0\n", ":2: deadline: must be a duration"),
        ("index: docs\nwindow: .inf\n", ":2: window: must be a finite number"),
        ("index: docs\nmode: sample\nsample_rate: .nan\n", ":3: sample_rate: must be at most 1"),
        ("index: docs\nmode: maybe\n", ":2: mode: must be 'on', 'off', 'shadow' or 'sample'"),
        ("index: docs\nfields: title\n", ":2: fields: must be a list, such as [a, b]"),
        ("index: docs\nstrict: maybe\n", ":2: strict: must be true or false"),
        ("index: docs\nmode: sample\n", "docs.yaml:1: `sample_rate` and `mode: sample` require each other"),
        ("index: docs\nsample_rate: 0.5\n", "`sample_rate` and `mode: sample` require each other"),
        ("index: docs\nmode: shadow\nsample_rate: 0.5\n", "`sample_rate` and `mode: sample` require each other"),
        ("index: docs\nmode: sample\nsample_rate: 1.1\n", ":3: sample_rate: must be at most 1"),
        ("index: docs\nmode: sample\nsample_rate: -0.1\n", ":3: sample_rate: must be at least 0"),
        ("index: docs\nwindow: 1\n", ":2: window: must be at least 2"),
        ("index: docs\nwindow: 1001\n", ":2: window: must be at most 1000"),
        ("index: docs\nmax_passage_tokens: 15\n", ":2: max_passage_tokens: "),
        ("index: docs\nmax_passage_tokens: 32769\n", ":2: max_passage_tokens: "),
        ("index: docs\nmax_search_tokens: 511\n", ":2: max_search_tokens: "),
        ("index:\n  - docs\n  - 3\n", ":3: index.1: "),
    ],
)
def test_errors_name_file_line_and_field(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        validate(RuleFile, written(tmp_path, text))
    assert words in str(error.value)
    assert "docs.yaml" in str(error.value)


def test_the_schema_accepts_valid_rules_only() -> None:
    checked = jsonschema.Draft202012Validator(json.loads(schema()))
    assert checked.is_valid({"index": ["docs"], "deadline": "500ms", "policy": "keep"})
    assert checked.is_valid({"index": "docs"})
    assert not checked.is_valid({"index": ["docs"], "feilds": []})


def test_limits_of_numbers_are_inclusive(tmp_path: Path) -> None:
    high = "index: b\nwindow: 1000\nmax_passage_tokens: 32768\n"
    low = "index: a\nwindow: 2\nmax_passage_tokens: 16\nmax_search_tokens: 512\n"
    assert validate(RuleFile, written(tmp_path, high)).max_passage_tokens == 32768
    found = validate(RuleFile, written(tmp_path, low))
    assert (found.window, found.max_passage_tokens, found.max_search_tokens) == (2, 16, 512)
