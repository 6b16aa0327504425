"""Reads the rules from the mappings folder, one YAML file per rule, and selects the rule for a search's indices."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from es_rerank.config import yaml_source
from es_rerank.config.rule_file import RuleFile
from es_rerank.config.settings import Settings
from es_rerank.config.types import policy_spec
from es_rerank.errors import ConfigError
from es_rerank.model import LongDocumentMode, LongDocuments, LowHits, MinProbability, Rule, RuleMode, Why
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.profiles import PROFILES
from es_rerank.search.index_names import names_of

_MIN_KEY = "min_probability"
_NO_MODEL = "the backend {} has no model, so hits have no probability: remove the key, or set another backend"


class Rules:
    """The rules in use, sorted by file name. Without rule files, the default rule applies to all indices."""

    def __init__(self, settings: Settings) -> None:
        """Read the rule files. Raises ConfigError, which names file, line and key, if one of them is invalid."""
        self._rules = tuple(_read(path, settings) for path in files(settings.mappings))
        self.default_rule = default_rule(settings)

    def switch_on(self) -> None:
        """Change the mode of each rule to `on`."""
        self._rules = tuple(replace(rule, mode=RuleMode.ON) for rule in self._rules)
        self.default_rule = replace(self.default_rule, mode=RuleMode.ON)

    def replace_with(self, others: Rules) -> None:
        """Replace the rules in this object with those in *others*, for a reload."""
        self._rules, self.default_rule = others._rules, others.default_rule

    def __iter__(self) -> Iterator[Rule]:
        """Iterate over the rules, or over only the default rule if there are no rule files."""
        return iter(self._rules or (self.default_rule,))

    def forced_on(self) -> Rules:
        """Return a copy of these rules in which each rule has the mode `on`, to show the result of reranking."""
        forced = copy(self)
        forced.switch_on()
        return forced

    def named(self, name: str) -> Rule | None:
        """Return the rule with this name, or None if there is no such rule."""
        return next((rule for rule in self if rule.name == name), None)

    def choose(self, target: str, names: Sequence[str]) -> Rule | Why:
        """Return the rule for a search, or the reason why the search is not reranked.

        Hidden indices (names with a leading dot) are never reranked. A search that names a hidden index is not
        reranked. Hidden indices that only match a wildcard are ignored. A rule for a data stream applies to its backing
        indices, and a rule for an index applies to it when the engine has restored, shrunk or mounted it under another
        name.

        Args:
            target: The index expression in the request's path.
            names: The names of the concrete indices that the expression resolves to.

        Returns:
            The rule, if it is the same for all indices, otherwise the reason why the search is not reranked.

        """
        visible = [known for known in map(names_of, names) if not hidden(known[-1])]
        if hidden(target) or (names and not visible):
            return Why.HIDDEN_INDEX
        # A list of names is not matched as one string: `films,letters` must not match a rule for `films*`.
        expression = "" if "," in target else target
        rules = {self._first((*known, expression)) for known in visible or [()]}
        if len(rules) > 1:
            return Why.RULES_DIFFER if None not in rules else Why.NO_RULE
        rule = rules.pop()
        return Why.NO_RULE if rule is None else Why.OFF if rule.mode is RuleMode.OFF else rule

    def _first(self, names: Sequence[str]) -> Rule | None:
        """Return the first rule that matches a name of an index or the index expression; None if no rule matches."""
        if not self._rules:
            return self.default_rule
        return next((rule for rule in self._rules if any(_matches(rule, name) for name in names)), None)


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
    """Return whether a name in an index expression has a leading dot. The name of a remote cluster is ignored."""
    return any(part.rpartition(":")[2].startswith(".") for part in target.split(","))


def default_rule(settings: Settings) -> Rule:
    """Return the rule that applies to all indices if there are no rule files."""
    return _rule("default", RuleFile(index=["*"]), settings)


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
    """Return the rule in a rule file. The name of the rule is the file name without suffix."""
    source = yaml_source.load(path)
    file = yaml_source.validate(RuleFile, source)
    if file.min_probability is not None and BACKENDS[settings.backend].local:
        raise ConfigError(f"{source.where((_MIN_KEY,))}: {_MIN_KEY}: {_NO_MODEL.format(settings.backend)}")
    return _rule(path.stem, file, settings)


def _rule(name: str, file: RuleFile, settings: Settings) -> Rule:
    """Return the rule in a file, with the settings as defaults."""
    mode, policy = file.long_documents or settings.long_documents, file.policy or settings.policy
    return Rule(
        name=name,
        patterns=tuple(file.index),
        fields=tuple(file.fields),
        template=file.template,
        labels=file.labels,
        window=file.window or settings.window,
        deadline=file.deadline or settings.deadline,
        policy=policy_spec(policy) if policy else PROFILES[settings.profile].policy,
        protect=file.protect.protection() if file.protect else None,
        min_probability=_minimum(file),
        long=LongDocuments(
            mode=None if mode == "profile" else LongDocumentMode(mode),
            max_passage_tokens=file.max_passage_tokens or settings.max_passage_tokens,
            max_search_tokens=file.max_search_tokens or settings.max_search_tokens,
        ),
        instruction=file.instruction or settings.instruction,
        mode=RuleMode(file.mode),
        sample_rate=1.0 if file.sample_rate is None else file.sample_rate,
        query_header=file.query_header == "allow",
        strict=file.strict,
        partial=file.partial == "allow",
    )


def _minimum(file: RuleFile) -> MinProbability | None:
    """Return the lowest probability and what happens to hits below it; None if the file has no `min_probability`."""
    below = LowHits(file.below_min_probability or LowHits.DROP)
    return None if file.min_probability is None else MinProbability(file.min_probability, below)


def _matches(rule: Rule, name: str) -> bool:
    """Return whether one of the rule's patterns matches an index name."""
    return any(fnmatchcase(name, pattern) for pattern in rule.patterns)
