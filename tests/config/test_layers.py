from __future__ import annotations

from pathlib import Path

import pytest

from es_rerank.config.layers import Layer, from_environment, from_file, from_flags
from es_rerank.errors import ConfigError


def test_flags_that_were_not_used_are_left_out() -> None:
    flags = {"max_search_tokens": 5, "window": None, "self_test": False}
    assert from_flags(flags) == Layer(
        {"max_search_tokens": 5, "self_test": False},
        {"max_search_tokens": "--max-search-tokens", "self_test": "--self-test"},
    )


def test_only_variables_with_the_prefix_are_read() -> None:
    environment = {"PATH": "x", "ES_RERANK_WINDOW": "5", "ES_RERANK_CONFIG": "y", "ES_RERANK_CACHE": "z"}
    assert from_environment(environment, ["window"]) == Layer({"window": "5"}, {"window": "ES_RERANK_WINDOW"})


def test_every_unknown_variable_is_reported_as_it_is_written() -> None:
    environment = {"ES_RERANK_WINDWO": "5", "ES_RERANK_window": "5", "ES_RERANK_Modle": "x"}
    with pytest.raises(ConfigError) as error:
        from_environment(environment, ["window"])
    assert (
        str(error.value)
        == "ES_RERANK_Modle: unknown variable\nES_RERANK_WINDWO: unknown variable; did you mean `ES_RERANK_WINDOW`?"
    )


def test_keys_of_a_file_are_named_by_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("window: 5\n\nmodel: x\n")
    names = {"window": f"{path}:1: window", "model": f"{path}:3: model"}
    assert from_file(path, ()) == Layer({"window": 5, "model": "x"}, names)


@pytest.mark.parametrize("value", ["rules", "./rules", "../rules", "/etc/rules"])
def test_relative_paths_in_a_file_are_relative_to_its_folder(value: str, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"mappings: {value}\nmodel: {value}\n")
    assert from_file(path, {"mappings"}).values == {"mappings": str(tmp_path / value), "model": value}


@pytest.mark.parametrize("value", ["", "~", "5", "[a]"])
def test_a_path_that_is_not_a_string_is_left_to_validation(value: str, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"mappings: {value}\n")
    assert not isinstance(from_file(path, {"mappings"}).values["mappings"], str)
