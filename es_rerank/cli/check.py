"""`es-rerank check`: validate and print the effective configuration."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
import yaml

from es_rerank.cli.options import setting_options, settings_from
from es_rerank.config.loading import in_force
from es_rerank.config.rules import Rules
from es_rerank.config.types import duration_text
from es_rerank.model import Rule


@click.command()
@setting_options
def check(**flags: Any) -> None:
    """Validate and print the effective settings and rules.

    The output is YAML with secrets masked. No server is started and no connection is opened.
    """
    settings = settings_from(flags)
    rules = [_effective(rule) for rule in Rules(settings)]
    text = yaml.safe_dump({"settings": in_force(settings), "rules": rules}, sort_keys=False, allow_unicode=True)
    click.echo(text, nl=False)


def _effective(rule: Rule) -> dict[str, Any]:
    """Return the keys of a rule file, including values that the rule takes from settings and defaults."""
    return {
        "name": rule.name,
        "index": list(rule.patterns),
        "mode": rule.mode.value,
        "sample_rate": rule.sample_rate,
        "fields": list(rule.fields) or "the text fields of the mapping",
        "template": rule.template,
        "labels": rule.labels,
        "window": rule.window,
        "deadline": duration_text(rule.deadline),
        "policy": str(rule.policy),
        "protect": asdict(rule.protect) if rule.protect else False,
        "min_probability": rule.min_probability.value if rule.min_probability else None,
        "below_min_probability": rule.min_probability.below.value if rule.min_probability else None,
        "long_documents": rule.long.mode.value if rule.long.mode else "profile",
        "max_passage_tokens": rule.long.max_passage_tokens or "profile",
        "max_search_tokens": rule.long.max_search_tokens,
        "instruction": rule.instruction or "profile",
        "query_header": "allow" if rule.query_header else "deny",
        "strict": rule.strict,
        "partial": "allow" if rule.partial else "deny",
    }
