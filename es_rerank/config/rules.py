"""The rules of a mappings folder: one YAML file a rule, and the choice of the rule for the indices of a search."""

from __future__ import annotations

import json
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
from es_rerank.search.passages import placeholders

# The backing index of a data stream: `.ds-NAME-DATE-GENERATION`.
_BACKING = re.compile(r"^\.ds-(.+)-\d{4}\.\d{2}\.\d{2}-\d{6}$")


class RuleFile(BaseModel):
    """One rule: which indices it is for, and how their hits are reranked. What it leaves out, the settings say."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    index: list[str] = Field(min_length=1, description="Names or patterns; aliases are resolved.")
    mode: Literal["on", "off", "shadow", "sample"] = Field(
        "on",
        description="`off` leaves these indices alone, `shadow` only measures, `sample` reranks a share of searches.",
    )
    sample_rate: float | None = Field(
        None, ge=0, le=1, description="Share of the searches that `sample` reranks, as in 0.1."
    )
    fields: list[str] = Field([], description="Fields the model reads, best first; dotted paths go through arrays.")
    template: str | None = Field(None, description="Text of a hit: `title: {title}`; lines without text are left out.")
    window: int | None = Field(None, ge=2, le=1000, description="How many hits the model reads.")
    deadline: Duration | None = Field(None, description="Time for a whole search, as in 500ms.")
    policy: Policy | None = Field(None, description="replace, probability, keep, linear(w) or rrf(k).")
    long_documents: LongMode | None = Field(None, description="profile, truncate or max_passage.")
    max_passage_tokens: int | None = Field(None, ge=16, le=32768, description="Tokens of one passage.")
    max_search_tokens: int | None = Field(None, ge=512, description="Tokens that one search may cost the model.")
    instruction: str | None = Field(None, description="Task given to models that take one.")
    strict: bool = Field(
        default=False, description="Whether a fault of the model is an error instead of the engine's order."
    )
    partial: Literal["allow", "deny"] = Field(
        "deny", description="Whether the head of the window counts that is scored when the deadline is over."
    )

    @field_validator("index", mode="before", json_schema_input_type=str | list[str])
    @classmethod
    def _several(cls, value: Any) -> Any:
        """Take one name for a list of one."""
        return [value] if isinstance(value, str) else value

    @field_validator("mode", mode="before")
    @classmethod
    def _switch(cls, value: Any) -> Any:
        """Read YAML's `on` and `off`, which are true and false to it."""
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value

    @model_validator(mode="after")
    def _share_of_split(self) -> RuleFile:
        """Check that a sample_rate stands beside `sample`, and nowhere else."""
        if (self.mode == "sample") != (self.sample_rate is not None):
            raise ValueError("`sample_rate` and `mode: sample` need each other")
        return self

    @model_validator(mode="after")
    def _template_fields(self) -> RuleFile:
        """Check that the template names fields of the rule."""
        unknown = [name for name in placeholders(self.template or "") if name not in self.fields]
        if unknown:
            raise ValueError(f"template names {unknown[0]!r}, which is not among the rule's fields")
        return self


class Rules:
    """The rules in force, in the order of their files' names."""

    def __init__(self, settings: Settings) -> None:
        """Read the mappings folder of *settings*. Raises ConfigError naming file, line and field."""
        self._rules = tuple(_read(path, settings) for path in files(settings.mappings))
        self.default_rule = default_rule(settings)

    def replace_with(self, others: Rules) -> None:
        """Put other rules in the place of these, for all who hold them."""
        self._rules, self.default_rule = others._rules, others.default_rule

    def __iter__(self) -> Iterator[Rule]:
        """Iterate over the rules in force."""
        return iter(self._rules or (self.default_rule,))

    def named(self, name: str) -> Rule | None:
        """Find a rule in force by its name."""
        return next((rule for rule in self if rule.name == name), None)

    def choose(self, target: str, names: Sequence[str]) -> Rule | Why:
        """Choose the one rule for all indices of a search, or say why there is none.

        Hidden indices (a leading dot) are never reranked: named ones rule a search out, others are passed over.
        """
        known = [_stream(name) for name in names]
        open_names = [name for name in known if not name.startswith(".")]
        if hidden(target) or (known and not open_names):
            return Why.HIDDEN_INDEX
        # A list of names cannot be told apart: `films,letters` must not fall under the rule for `films*`.
        said = "" if "," in target else target
        found = {self._first(name, said) for name in open_names or [said]}
        if len(found) > 1:
            return Why.RULES_DIFFER if None not in found else Why.NO_RULE
        rule = found.pop()
        return Why.NO_RULE if rule is None else Why.OFF if rule.mode is RuleMode.OFF else rule

    def _first(self, name: str, said: str) -> Rule | None:
        """Find the first rule for a concrete index or for the name the client said."""
        if not self._rules:
            return self.default_rule
        return next((rule for rule in self._rules if any(_matches(rule, one) for one in (name, said))), None)


# What a rule takes from the settings where it says nothing itself.
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
    """Tell whether an index expression names a hidden index, one with a leading dot, here or on a remote cluster."""
    return any(part.rpartition(":")[2].startswith(".") for part in target.split(","))


def default_rule(settings: Settings) -> Rule:
    """Make the rule that holds where no file says otherwise."""
    return _rule("default", RuleFile(index=["*"]), settings)


def schema() -> str:
    """Write the JSON schema of a rule file, for editors."""
    return json.dumps(RuleFile.model_json_schema(), indent=2) + "\n"


def files(folder: Path | None) -> list[Path]:
    """List the rule files of a folder. Raises ConfigError if there is no such folder, or none that can be read.

    Hidden files are no rules: editors and copying tools keep theirs there while they write.
    """
    if folder is None:
        return []
    try:
        found = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{folder}: no such folder of rules") from None
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be read: {error.strerror}") from error
    return [path for path in found if path.suffix in {".yaml", ".yml"} and not path.name.startswith(".")]


def _read(path: Path, settings: Settings) -> Rule:
    """Read one rule file."""
    return _rule(path.stem, yaml_source.validate(RuleFile, yaml_source.load(path)), settings)


def _rule(name: str, file: RuleFile, settings: Settings) -> Rule:
    """Fill what a file leaves out from the settings."""
    mode = file.long_documents or settings.long_documents
    return Rule(
        name=name,
        patterns=tuple(file.index),
        fields=tuple(file.fields),
        template=file.template,
        window=file.window or settings.window,
        deadline=file.deadline or settings.deadline,
        policy=policy_spec(file.policy or settings.policy),
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
    """Tell whether a rule is for an index."""
    return any(fnmatchcase(name, pattern) for pattern in rule.patterns)


def _stream(name: str) -> str:
    """Name the data stream of a backing index."""
    found = _BACKING.match(name)
    return found[1] if found else name
