"""Reads the rules from the mappings folder, one YAML file per rule, and selects the rule for a search's indices."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from es_rerank.config import yaml_source
from es_rerank.config.settings import Settings
from es_rerank.config.types import Duration, LongMode, Policy, policy_spec
from es_rerank.errors import ConfigError
from es_rerank.model import LongDocumentMode, LongDocuments, Rule, RuleMode, Why
from es_rerank.rerank.profiles import PROFILES
from es_rerank.search.passages import placeholders

# An opening brace and a name without the closing brace. The model would read it as text.
_UNCLOSED_PLACEHOLDER = re.compile(r"\{([\w.@-]+)(?![\w.@-]*\})")
# The name of a data stream's backing index, `.ds-NAME-DATE-GENERATION`.
_BACKING_INDEX = re.compile(r"^\.ds-(.+)-\d{4}\.\d{2}\.\d{2}-\d{6}$")


class RuleFile(BaseModel):
    """The keys of a rule file. Keys that are not set default to the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    index: list[str] = Field(
        min_length=1,
        description="Index names or patterns that the rule applies to. es-rerank resolves aliases and data streams.",
    )
    mode: Literal["on", "off", "shadow", "sample"] = Field(
        "on",
        description="`on` reranks all searches, `off` none, and `sample` a share of them. `shadow` only measures how "
        "reranking would change the order.",
    )
    sample_rate: float | None = Field(
        None, ge=0, le=1, description="Share of the searches that `mode: sample` reranks, from 0 to 1."
    )
    fields: list[str] = Field(
        [],
        description="Fields that the model reads, in this order. Dotted paths go through objects and arrays. If not "
        "set, the text fields of the mapping.",
    )
    template: str | None = Field(
        None, description="Text of a passage, such as `title: {title}`. Lines with only empty fields are omitted."
    )
    window: int | None = Field(
        None, ge=2, le=1000, description="Maximum hits that the model scores per search, 2 to 1000."
    )
    deadline: Duration | None = Field(None, description="Time limit of a search, such as 500ms, at most 10m.")
    policy: Policy | None = Field(
        None, description="How `_score` is computed: replace, probability, keep, linear(w), blend(w) or rrf(k)."
    )
    long_documents: LongMode | None = Field(
        None, description="How to score a text that is longer than a passage: truncate, max_passage or profile."
    )
    max_passage_tokens: int | None = Field(
        None, ge=16, le=32768, description="Maximum tokens per passage, 16 to 32768."
    )
    max_search_tokens: int | None = Field(None, ge=512, description="Maximum tokens that the model reads per search.")
    instruction: str | None = Field(None, description="Instruction for models that support instructions.")
    strict: bool = Field(
        default=False, description="Whether the client gets an error if reranking fails, instead of the engine's order."
    )
    partial: Literal["allow", "deny"] = Field(
        "deny",
        description="If the deadline passes: `allow` reranks the first hits that have scores, `deny` returns the "
        "engine's order.",
    )

    @field_validator("index", mode="before", json_schema_input_type=str | list[str])
    @classmethod
    def _list(cls, value: Any) -> Any:
        """Convert a single index name to a list."""
        return [value] if isinstance(value, str) else value

    @field_validator("mode", mode="before")
    @classmethod
    def _unquoted_mode(cls, value: Any) -> Any:
        """Accept unquoted `on` and `off`, which the YAML parser converts to booleans."""
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value

    @model_validator(mode="after")
    def _sample_has_rate(self) -> RuleFile:
        """Check that `sample_rate` is set if and only if the mode is `sample`."""
        if (self.mode == "sample") != (self.sample_rate is not None):
            raise ValueError("`sample_rate` and `mode: sample` require each other")
        return self

    @model_validator(mode="after")
    def _template_fields(self) -> RuleFile:
        """Check that the template uses only fields that are listed in `fields`, each in a pair of braces."""
        if unclosed := _UNCLOSED_PLACEHOLDER.search(self.template or ""):
            raise ValueError(f"template has {unclosed[0]!r} without a closing brace")
        unknown = [name for name in placeholders(self.template or "") if name not in self.fields]
        if unknown:
            raise ValueError(f"template uses {unknown[0]!r}, which is not in `fields`")
        return self


class Rules:
    """The rules in use, sorted by file name. Without rule files, the default rule applies to all indices."""

    def __init__(self, settings: Settings) -> None:
        """Read the rule files. Raises ConfigError, which names file, line and key, if one of them is invalid."""
        self._rules = tuple(_read(path, settings) for path in files(settings.mappings))
        self.default_rule = default_rule(settings)

    def replace_with(self, others: Rules) -> None:
        """Replace the rules in this object by those in *others*, for a reload."""
        self._rules, self.default_rule = others._rules, others.default_rule

    def __iter__(self) -> Iterator[Rule]:
        """Iterate over the rules, or over only the default rule if there are no rule files."""
        return iter(self._rules or (self.default_rule,))

    def named(self, name: str) -> Rule | None:
        """Return the rule with this name, or None."""
        return next((rule for rule in self if rule.name == name), None)

    def choose(self, target: str, names: Sequence[str]) -> Rule | Why:
        """Select the rule for a search.

        Hidden indices (names with a leading dot) are never reranked. A search that names a hidden index is not
        reranked. Hidden indices that only match a wildcard are ignored.

        Args:
            target: The index expression in the request's path.
            names: The names of the concrete indices that the expression resolves to.

        Returns:
            The rule, if it is the same for all indices, otherwise the reason why the search is not reranked.

        """
        resolved = [_data_stream(name) for name in names]
        visible = [name for name in resolved if not name.startswith(".")]
        if hidden(target) or (resolved and not visible):
            return Why.HIDDEN_INDEX
        # A list is not matched against patterns as a whole: `films,letters` must not match a rule for `films*`.
        expression = "" if "," in target else target
        rules = {self._first(name, expression) for name in visible or [expression]}
        if len(rules) > 1:
            return Why.RULES_DIFFER if None not in rules else Why.NO_RULE
        rule = rules.pop()
        return Why.NO_RULE if rule is None else Why.OFF if rule.mode is RuleMode.OFF else rule

    def _first(self, name: str, expression: str) -> Rule | None:
        """Return the first rule that matches a concrete index name or the request's index expression."""
        if not self._rules:
            return self.default_rule
        return next((rule for rule in self._rules if _matches(rule, name) or _matches(rule, expression)), None)


# The settings that affect only rules, so that changes take effect with a reload.
INHERITED = frozenset(
    {
        "deadline",
        "instruction",
        "long_documents",
        "mappings",
        "max_passage_tokens",
        "policy",
        "max_search_tokens",
        "window",
    }
)


def hidden(target: str) -> bool:
    """Return whether an index expression contains a name with a leading dot, also after a remote cluster's prefix."""
    return any(part.rpartition(":")[2].startswith(".") for part in target.split(","))


def default_rule(settings: Settings) -> Rule:
    """Return the rule that applies to all indices if there are no rule files."""
    return _rule("default", RuleFile(index=["*"]), settings)


def schema() -> str:
    """Return the JSON schema of a rule file, for editors."""
    return json.dumps(RuleFile.model_json_schema(), indent=2) + "\n"


def files(folder: Path | None) -> list[Path]:
    """Return the rule files in a folder, sorted by name, without hidden files, which are often temporary.

    Args:
        folder: The mappings folder; None if the setting `mappings` is not set.

    Raises:
        ConfigError: If the folder does not exist or cannot be read.

    """
    if folder is None:
        return []
    try:
        # Not `Path.iterdir`: how it reads a folder, and when it raises an error, depends on the Python version.
        with os.scandir(folder) as entries:
            paths = sorted(folder / entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{folder}: no such folder of rule files") from None
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be read: {error.strerror}") from error
    return [path for path in paths if path.suffix in {".yaml", ".yml"} and not path.name.startswith(".")]


def _read(path: Path, settings: Settings) -> Rule:
    """Read a rule file. The rule's name is the file name without suffix."""
    return _rule(path.stem, yaml_source.validate(RuleFile, yaml_source.load(path)), settings)


def _rule(name: str, file: RuleFile, settings: Settings) -> Rule:
    """Return the rule in a file, with the settings as defaults."""
    mode, policy = file.long_documents or settings.long_documents, file.policy or settings.policy
    return Rule(
        name=name,
        patterns=tuple(file.index),
        fields=tuple(file.fields),
        template=file.template,
        window=file.window or settings.window,
        deadline=file.deadline or settings.deadline,
        policy=policy_spec(policy) if policy else PROFILES[settings.profile].policy,
        long=LongDocuments(
            mode=None if mode == "profile" else LongDocumentMode(mode),
            max_passage_tokens=file.max_passage_tokens or settings.max_passage_tokens,
            max_search_tokens=file.max_search_tokens or settings.max_search_tokens,
        ),
        instruction=file.instruction or settings.instruction,
        mode=RuleMode(file.mode),
        sample_rate=1.0 if file.sample_rate is None else file.sample_rate,
        strict=file.strict,
        partial=file.partial == "allow",
    )


def _matches(rule: Rule, name: str) -> bool:
    """Return whether one of the rule's patterns matches an index name."""
    return any(fnmatchcase(name, pattern) for pattern in rule.patterns)


def _data_stream(name: str) -> str:
    """Return the data stream's name if *name* is a backing index. Other names are returned unchanged."""
    match = _BACKING_INDEX.match(name)
    return match[1] if match else name
