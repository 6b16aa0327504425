"""Writes the proposed rule file: the keys of the current rule, some with new values, and the result as comments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from es_rerank.config import yaml_source
from es_rerank.config.rules import files
from es_rerank.evaluation.tuning.candidates import Candidate
from es_rerank.evaluation.tuning.selection import Verdict
from es_rerank.evaluation.tuning.values import PassageVariant
from es_rerank.model import Rule

_COMMENT_WIDTH = 118
# The keys that tuning may change. All other keys of the current rule are kept.
_DECIDED = frozenset(
    {
        "mode",
        "sample_rate",
        "fields",
        "template",
        "window",
        "policy",
        "protect",
        "min_probability",
        "below_min_probability",
        "long_documents",
        "max_passage_tokens",
    }
)


def current_keys(folder: Path | None, rule: Rule, index: str) -> dict[str, Any]:
    """Return the keys of a rule and their values, in the order of the rule's file.

    Args:
        folder: The folder with the rule files.
        rule: The current rule.
        index: The value of the key `index` for the default rule, which has no file.

    """
    path = next((path for path in files(folder) if path.stem == rule.name), None)
    return dict(yaml_source.load(path).data) if path else {"index": [index]}


def rule_text(
    keys: Mapping[str, Any], verdict: Verdict, change: tuple[Candidate, PassageVariant], comments: Sequence[str]
) -> str:
    """Return the text of a rule file.

    Args:
        keys: The keys of the current rule.
        verdict: Whether to change the rule, to keep it, or to turn reranking off.
        change: The chosen candidate and its passage variant, which are used if the rule is changed.
        comments: Lines of text at the start of the file.

    """
    if verdict is Verdict.CURRENT:
        data = dict(keys)
    elif verdict is Verdict.OFF:
        data = {**{name: value for name, value in keys.items() if name != "sample_rate"}, "mode": "off"}
    else:
        data = {**{name: value for name, value in keys.items() if name not in _DECIDED}, **_changed(keys, *change)}
    head = "".join(f"# {line}\n" for text in comments for line in _wrapped(text))
    body = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_COMMENT_WIDTH)
    return f"{head}\n{body}" if head else body


def _changed(keys: Mapping[str, Any], candidate: Candidate, variant: PassageVariant) -> dict[str, Any]:
    """Return the keys that tuning may change, with their new values. The mode, such as `shadow`, is kept."""
    found = {name: keys[name] for name in ("mode", "sample_rate") if name in keys}
    if variant.fields:
        found["fields"] = list(variant.fields)
    if variant.template:
        found["template"] = variant.template
    found |= {"window": candidate.place[1], "policy": str(candidate.policy)}
    if variant.long.mode:
        found["long_documents"] = variant.long.mode.value
    if variant.long.max_passage_tokens:
        found["max_passage_tokens"] = variant.long.max_passage_tokens
    if candidate.protect:
        found["protect"] = {"score_ratio": candidate.protect.score_ratio, "margin": candidate.protect.margin}
    if candidate.minimum:
        found["min_probability"] = candidate.minimum.value
        found["below_min_probability"] = candidate.minimum.below.value
    return found


def _wrapped(text: str) -> Iterator[str]:
    """Yield the lines of a comment. Characters that YAML does not allow are replaced by spaces."""
    line = ""
    for word in "".join(one if one.isprintable() else " " for one in text).split(" "):
        if line and len(line) + 1 + len(word) > _COMMENT_WIDTH:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
    yield line


class _Dumper(yaml.SafeDumper):
    """Writes a string of several lines as a YAML block (`|`), which is easier to read and edit."""


def _string(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    """Return the YAML node for a string."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _string)
