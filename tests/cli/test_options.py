from __future__ import annotations

import click
import pytest

from es_rerank.cli.options import setting_options, settings_from, shown
from es_rerank.config.settings import Settings
from tests.cli.conftest import Run


@setting_options
def _command(**_flags: object) -> None:
    """Take all settings."""


def options() -> dict[str, click.Option]:
    command = click.command()(_command)
    return {option.name or "": option for option in command.params if isinstance(option, click.Option)}


def test_every_setting_is_an_option_in_the_order_of_the_table() -> None:
    assert list(options()) == ["config", *Settings.model_fields]


def test_an_option_says_its_sentence_its_default_and_its_kind(run: Run) -> None:
    words = " ".join(run("serve", "--help").output.split())
    assert "--deadline DURATION Time limit of a search, at most 10m; after it the" in words
    assert "engine's order is returned. [default: 3s]" in words
    assert "--listen HOST:PORT" in words
    assert "--upstream URL" in words
    assert "--reranker-api-key TOKEN" in words
    assert "--window N" in words
    assert "--self-test / --no-self-test" in words


@pytest.mark.parametrize(
    ("name", "expected"),
    [("deadline", "3s"), ("model", "none"), ("self_test", "true"), ("window", "50"), ("policy", "replace")],
)
def test_defaults_are_written_as_a_person_would(name: str, expected: str) -> None:
    assert shown(name, Settings.model_fields[name]) == expected


def test_settings_from_flags(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ES_RERANK_RERANKER_QUEUE_SIZE", "3")
    settings = settings_from({"config": None, "window": "7", "self_test": False})
    assert (settings.window, settings.reranker_queue_size, settings.self_test) == (7, 3, False)
