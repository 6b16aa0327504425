from __future__ import annotations

import click
import pytest

from es_rerank.cli import COMMANDS, cli
from es_rerank.cli.options import setting_options, settings_from, shown
from es_rerank.config.settings import Settings
from tests.cli.conftest import Run

NUMBERS = [
    *(("bench", option) for option in ("--rate", "--seconds", "--timeout")),
    *(("size", option) for option in ("--tokens-per-second", "--peak", "--hit-rate")),
    ("eval", "--relevant"),
    ("judgments", "--prior"),
]


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize(("command", "option"), NUMBERS)
def test_a_number_that_is_not_finite_is_rejected(command: str, option: str, value: str, run: Run) -> None:
    result = run(command, option, value)
    assert result.exit_code == 2
    assert f"Invalid value for '{option}': " in result.output


def test_all_options_with_a_number_reject_values_that_are_not_finite() -> None:
    found = [
        (name, option.opts[0])
        for name in COMMANDS
        for option in (cli.get_command(click.Context(cli), name) or cli).params
        if isinstance(option.type, click.types.FloatParamType)
    ]
    assert sorted(found) == sorted(NUMBERS)


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
    [
        ("deadline", "3s"),
        ("shared_cache_ttl", "1d"),
        ("shared_cache_timeout", "3ms"),
        ("model", "none"),
        ("self_test", "true"),
        ("window", "50"),
        ("policy", "none"),
    ],
)
def test_defaults_are_formatted_for_help_texts(name: str, expected: str) -> None:
    assert shown(name, Settings.model_fields[name]) == expected


def test_settings_from_flags(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ES_RERANK_RERANKER_QUEUE_SIZE", "3")
    settings = settings_from({"config": None, "window": "7", "self_test": False})
    assert (settings.window, settings.reranker_queue_size, settings.self_test) == (7, 3, False)
