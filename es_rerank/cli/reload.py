"""Takes changed rules and certificates into use while the endpoint runs: on SIGHUP, all of them or none."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from es_rerank.config import Settings
from es_rerank.errors import EsRerankError
from es_rerank.listen.site import Sites
from es_rerank.rules import INHERITED, Rules
from es_rerank.state import State

log = structlog.get_logger()

Reread = Callable[[], Settings]
"""Reads the settings from where they came from. Raises ConfigError."""


def reload(state: State, sites: Sites, reread: Reread) -> None:
    """Read settings, rules and the certificate to listen with anew; where something is wrong all stays as it was."""
    try:
        settings = reread()
        rules = Rules(settings)
        sites.renew()
    except EsRerankError as error:
        log.error("reload failed, all stays as it was", reason=str(error))  # noqa: TRY400 - a person's slip, no fault
        return
    state.rules.become(rules)
    log.info("reloaded", rules=[rule.name for rule in state.rules], **_later(state.settings, settings))


def _later(before: Settings, now: Settings) -> dict[str, list[str]]:
    """Name the settings that have changed and wait for a restart."""
    changed = [
        name for name in Settings.model_fields if name not in INHERITED and getattr(before, name) != getattr(now, name)
    ]
    return {"after_a_restart": changed} if changed else {}
