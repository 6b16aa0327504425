from __future__ import annotations

import click
import pytest

from es_rerank.cli.options import setting_options, settings_from, shown
from es_rerank.config.settings import Settings
from tests.cli.conftest import Run


@setting_options
def _command(**_flags: object) -> None:
    """Accept all settings."""


def options() -> dict[str, click.Option]:
    command = click.command()(_command)
    return {option.name or "": option for option in command.params if isinstance(option, click.Option)}


def test_every_setting_is_an_option_in_the_order_of_the_fields() -> None:
    assert list(options()) == ["config", *Settings.model_fields]


def test_the_help_of_an_option_has_description_default_and_placeholder(run: Run) -> None:
    text = " ".join(run("serve", "--help").output.split())
    assert f"--deadline DURATION {Settings.model_fields['deadline'].description} [default: 3s]" in text
    assert "--listen HOST:PORT" in text
    assert "--upstream URL" in text
    assert "--reranker-api-key TOKEN" in text
    assert "--window N" in text
    assert "--self-test / --no-self-test" in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [("deadline", "3s"), ("model", "none"), ("self_test", "true"), ("window", "50"), ("policy", "none")],
)
def test_defaults_are_formatted_for_help_texts(name: str, expected: str) -> None:
    assert shown(name, Settings.model_fields[name]) == expected


def test_settings_from_flags(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ES_RERANK_RERANKER_QUEUE_SIZE", "3")
    settings = settings_from({"config": None, "window": "7", "self_test": False})
    assert (settings.window, settings.reranker_queue_size, settings.self_test) == (7, 3, False)
