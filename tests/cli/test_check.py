from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from es_rerank.config.rule_file import RuleFile
from es_rerank.config.settings import Settings
from es_rerank.errors import ConfigError
from tests.cli.conftest import Run


def test_the_effective_settings_and_rules_are_printed_as_yaml(run: Run) -> None:
    result = run("check", "--window", "20", ES_RERANK_DEADLINE="500ms")
    assert result.exit_code == 0
    printed = yaml.safe_load(result.output)
    assert list(printed["settings"]) == list(Settings.model_fields)
    assert (printed["settings"]["window"], printed["settings"]["deadline"]) == (20, "500ms")
    (rule,) = printed["rules"]
    assert (rule["name"], rule["window"], rule["index"]) == ("default", 20, ["*"])
    assert rule["fields"] == "the text fields of the mapping"


@pytest.mark.parametrize(("profile", "policy"), [("e5", "blend(0.7)"), ("bge-reranker", "replace")])
def test_the_policy_of_the_profile_is_printed(run: Run, profile: str, policy: str) -> None:
    (rule,) = yaml.safe_load(run("check", "--profile", profile).output)["rules"]
    assert rule["policy"] == policy


def test_secrets_are_masked(run: Run) -> None:
    result = run("check", ES_RERANK_RERANKER_API_KEY="s3cret")
    assert result.exit_code == 0
    assert "s3cret" not in result.output
    assert yaml.safe_load(result.output)["settings"]["reranker_api_key"] == "**********"


def test_rules_are_printed_with_their_defaults(run: Run, tmp_path: Path) -> None:
    (tmp_path / "docs.yaml").write_text(
        "index: docs\nfields: [title]\npolicy: linear(0.25)\nmode: off\nlong_documents: truncate\n"
    )
    result = run("check", "--mappings", str(tmp_path), "--deadline", "2s")
    (rule,) = yaml.safe_load(result.output)["rules"]
    assert rule["policy"] == "linear(0.25)"
    assert (rule["mode"], rule["deadline"], rule["fields"]) == ("off", "2s", ["title"])
    assert (rule["long_documents"], rule["protect"], rule["labels"]) == ("truncate", False, False)


def test_every_key_of_a_rule_is_printed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "docs.yaml").write_text("index: docs\nquery_header: deny\n")
    (rule,) = yaml.safe_load(run("check", "--mappings", str(tmp_path)).output)["rules"]
    assert rule.keys() == {"name", *RuleFile.model_fields}
    assert rule["query_header"] == "deny"


def test_the_thresholds_of_protected_items_are_printed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "docs.yaml").write_text("index: docs\nprotect: {margin: 0.25}\n")
    (rule,) = yaml.safe_load(run("check", "--mappings", str(tmp_path)).output)["rules"]
    assert rule["protect"] == {"score_ratio": 1.5, "margin": 0.25}


def test_the_lowest_probability_is_printed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "docs.yaml").write_text("index: docs\nmin_probability: 0.25\nbelow_min_probability: last\n")
    (rule,) = yaml.safe_load(run("check", "--mappings", str(tmp_path)).output)["rules"]
    assert (rule["min_probability"], rule["below_min_probability"]) == (0.25, "last")


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["--window", "many"], {}, "--window: must be an integer"),
        ([], {"ES_RERANK_WINDOW": "0"}, "ES_RERANK_WINDOW: must be at least 2"),
        ([], {"ES_RERANK_WINDWO": "1"}, "ES_RERANK_WINDWO: unknown variable; did you mean `ES_RERANK_WINDOW`?"),
        (["--config", "s.yaml"], {}, "s.yaml:2: reranker_queue_size: must be at least 0"),
        ([], {"ES_RERANK_CONFIG": "s.yaml"}, "s.yaml:2: reranker_queue_size: must be at least 0"),
        (["--mappings", "none"], {}, "none: no such folder of rule files"),
        (["--mappings", "."], {}, "s.yaml:1: index: this key is required"),
    ],
)
def test_an_error_names_its_flag_its_variable_or_file_and_line(
    run: Run, tmp_path: Path, arguments: list[str], variables: dict[str, str], message: str
) -> None:
    (tmp_path / "s.yaml").write_text("window: 3\nreranker_queue_size: -1\n")
    result = run("check", *arguments, **variables)
    assert isinstance(result.exception, ConfigError)
    assert message in str(result.exception)


def test_a_missing_settings_file_is_a_usage_error(run: Run) -> None:
    result = run("check", "--config", "nowhere.yaml")
    assert result.exit_code == 2
    assert "nowhere.yaml" in result.output
