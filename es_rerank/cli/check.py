"""`es-rerank check`: print what is in force, or what is wrong with it."""

from __future__ import annotations

from typing import Any

import click
import yaml

from es_rerank.cli.options import setting_options, settings_from
from es_rerank.config.rules import Rules
from es_rerank.config.settings import in_force
from es_rerank.model import Rule


@click.command()
@setting_options
def check(**flags: Any) -> None:
    """Print the settings and rules in force, secrets hidden; nothing is started or asked."""
    settings = settings_from(flags)
    rules = [_shown(rule) for rule in Rules(settings)]
    text = yaml.safe_dump({"settings": in_force(settings), "rules": rules}, sort_keys=False, allow_unicode=True)
    click.echo(text, nl=False)


def _shown(rule: Rule) -> dict[str, Any]:
    """Show a rule with its gaps filled."""
    policy = rule.policy
    return {
        "name": rule.name,
        "index": list(rule.patterns),
        "mode": rule.mode,
        "sample_rate": rule.sample_rate,
        "fields": list(rule.fields) or "the text fields of the mapping",
        "template": rule.template,
        "window": rule.window,
        "deadline": f"{rule.deadline:g}s",
        "policy": policy.name if policy.parameter is None else f"{policy.name}({policy.parameter:g})",
        "long_documents": rule.long.mode or "profile",
        "max_passage_tokens": rule.long.max_passage_tokens or "profile",
        "max_search_tokens": rule.long.max_search_tokens,
        "instruction": rule.instruction or "profile",
        "strict": rule.strict,
        "partial": "allow" if rule.partial else "deny",
    }
