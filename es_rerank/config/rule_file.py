"""The keys of a rule file and their validation."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from es_rerank.config.types import Duration, LongMode, Policy, Protect
from es_rerank.search.passages import placeholders

# An opening brace and a name without the closing brace. The model would read it as text.
_UNCLOSED_PLACEHOLDER = re.compile(r"\{([\w.@-]+)(?![\w.@-]*\})")


class RuleFile(BaseModel):
    """The keys of a rule file. Keys that are not set default to the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    index: list[str] = Field(
        min_length=1,
        description="Index names or patterns that the rule applies to. es-rerank resolves aliases and data streams.",
    )
    mode: Literal["on", "off", "shadow", "sample"] = Field(
        "on",
        description="`on` reranks all searches, `off` reranks no searches, and `sample` reranks a share of them. "
        "`shadow` only measures how reranking would change the order.",
    )
    sample_rate: float | None = Field(
        None, ge=0, le=1, description="Share of the searches that `mode: sample` reranks, from 0 to 1."
    )
    fields: list[str] = Field(
        [],
        description="Fields that the model reads, in this order. Dotted paths go through objects and arrays. If not "
        "set, es-rerank chooses from the text fields of the mapping.",
    )
    template: str | None = Field(
        None, description="Text of a passage, such as `title: {title}`. Lines with only empty fields are omitted."
    )
    labels: bool = Field(
        default=False,
        description="Whether each text of a passage starts with the name of its field, such as `title: `. Passages "
        "with a single text have no labels.",
    )
    window: int | None = Field(
        None, ge=2, le=1000, description="Maximum hits that the model scores per search, 2 to 1000."
    )
    deadline: Duration | None = Field(None, description="Time limit of a search, such as 500ms, at most 10m.")
    policy: Policy | None = Field(
        None, description="How `_score` is computed: replace, probability, keep, linear(w), blend(w) or rrf(k)."
    )
    protect: Protect = Field(
        None,
        description="Whether the engine's first hit stays first if it is an exact match or far ahead (true, false).",
    )
    min_probability: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Minimum probability of a hit, from 0 to 1. `below_min_probability` decides what happens to hits "
        "of the window with a lower probability.",
    )
    below_min_probability: Literal["drop", "last"] | None = Field(
        None,
        description="`drop` hides hits below `min_probability` (default), `last` shows them after all other hits.",
    )
    long_documents: LongMode | None = Field(
        None, description="How to score a text that is longer than a passage: truncate, max_passage or profile."
    )
    max_passage_tokens: int | None = Field(
        None, ge=16, le=32768, description="Maximum tokens per passage, 16 to 32768."
    )
    max_search_tokens: int | None = Field(None, ge=512, description="Maximum tokens that the model reads per search.")
    instruction: str | None = Field(None, description="Instruction for models that support instructions.")
    query_header: Literal["allow", "deny"] = Field(
        "allow",
        description="Whether clients can choose the query text with `X-Rerank-Query`: `allow` (default) or `deny`. "
        "With `deny`, searches with this header get the engine's order.",
    )
    strict: bool = Field(
        default=False, description="Whether the client gets an error if reranking fails, instead of the engine's order."
    )
    partial: Literal["allow", "deny"] = Field(
        "allow",
        description="What happens if the deadline passes: `allow` (default) reranks the hits at the top of the window "
        "that have scores, `deny` returns the engine's order.",
    )

    @field_validator("index", mode="before", json_schema_input_type=str | list[str])
    @classmethod
    def _list(cls, value: Any) -> Any:
        """Return a single index name as a list, and a list unchanged."""
        return [value] if isinstance(value, str) else value

    @field_validator("mode", mode="before")
    @classmethod
    def _unquoted_mode(cls, value: Any) -> Any:
        """Return the mode for a boolean, because the YAML parser converts unquoted `on` and `off` to booleans."""
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value

    @model_validator(mode="after")
    def _sample_has_rate(self) -> RuleFile:
        """Check that `sample_rate` is set if and only if the mode is `sample`."""
        if (self.mode == "sample") != (self.sample_rate is not None):
            raise ValueError("`sample_rate` and `mode: sample` require each other")
        return self

    @model_validator(mode="after")
    def _below_has_minimum(self) -> RuleFile:
        """Check that `below_min_probability` is set only with `min_probability`."""
        if self.below_min_probability and self.min_probability is None:
            raise ValueError("`below_min_probability` requires `min_probability`")
        return self

    @model_validator(mode="after")
    def _template_fields(self) -> RuleFile:
        """Check that the template uses only fields that are listed in `fields`, each in a pair of braces."""
        if unclosed := _UNCLOSED_PLACEHOLDER.search(self.template or ""):
            raise ValueError(f"template has {unclosed[0]!r} without a closing brace")
        if self.labels and self.template:
            raise ValueError("`labels` cannot be combined with `template`, which has its own labels")
        unknown = [name for name in placeholders(self.template or "") if name not in self.fields]
        if unknown:
            raise ValueError(f"template uses {unknown[0]!r}, which is not in `fields`")
        return self


def schema() -> str:
    """Return the JSON schema of a rule file, for editors."""
    return json.dumps(RuleFile.model_json_schema(), indent=2) + "\n"
