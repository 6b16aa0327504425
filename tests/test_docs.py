"""The documentation says what the code does: generated parts are current, links lead somewhere, commands exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from es_rerank.config.rules import RuleFile, Rules, schema
from es_rerank.config.settings import Settings
from es_rerank.model import Why
from es_rerank.reasons import REASONS
from es_rerank.rerank.profiles import PROFILES, server_flags
from tests import docs

PAGES = sorted([*docs.ROOT.glob("*.md"), *(docs.ROOT / "docs").glob("*.md"), *(docs.ROOT / "mappings").glob("*.md")])
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (docs.ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_reference_is_current() -> None:
    text = docs.REFERENCE.read_text(encoding="utf-8")
    assert docs.written(text) == text, "run `make docs`"


def test_the_schema_of_rules_is_current() -> None:
    assert docs.SCHEMA.read_text(encoding="utf-8") == schema(), "run `make docs`"


def test_every_reason_is_explained() -> None:
    assert set(REASONS) == set(Why)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_exist(page: Path) -> None:
    for target in re.findall(r"`?make ([a-z][a-z-]*)", "\n".join(_commands(page))):
        assert target in TARGETS, f"{page.name} names `make {target}`"


def test_example_rules_can_be_read() -> None:
    folder = docs.ROOT / "mappings"
    rules = list(Rules(Settings.model_validate({"mappings": folder})))
    assert len(rules) == len(list(folder.glob("*.yaml")))


def test_rule_examples_in_the_docs_are_valid() -> None:
    blocks = [block for page in PAGES for block in re.findall(r"```yaml\n(index:.*?)```", page.read_text(), re.DOTALL)]
    assert blocks
    for block in blocks:
        RuleFile.model_validate(yaml.safe_load(block))


@pytest.mark.parametrize("file", ["compose.yaml", "compose.cpu.yaml"])
def test_compose_files_name_settings_that_exist(file: str) -> None:
    services = yaml.safe_load((docs.ROOT / "docker" / file).read_text(encoding="utf-8"))["services"]
    named = services["es-rerank"].get("environment", {})
    for variable in named:
        if variable.startswith("ES_RERANK_"):
            assert variable.removeprefix("ES_RERANK_").lower() in Settings.model_fields


@pytest.mark.parametrize("file", ["compose.yaml", "compose.cpu.yaml"])
def test_compose_files_publish_ports_to_this_machine_alone(file: str) -> None:
    services = yaml.safe_load((docs.ROOT / "docker" / file).read_text(encoding="utf-8"))["services"]
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_the_image_asks_for_its_health_where_the_admin_listen_are() -> None:
    lines = (docs.ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert [Settings().admin_listen in line for line in lines if "/_rerank/health/live" in line] == [True]
    assert not any(line.strip().startswith("ES_RERANK_ADMIN_LISTEN") for line in lines)


def test_compose_starts_vllm_as_the_profile_says() -> None:
    services = yaml.safe_load((docs.ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    model, *flags = services["vllm"]["command"]
    said = ["--model", model, *flags]
    template = said.index("--chat-template") + 1
    mounted = [volume for volume in services["vllm"]["volumes"] if f":{said[template]}:" in volume]
    said[template] = str((docs.ROOT / "docker" / mounted[0].partition(":")[0]).resolve())
    assert said == server_flags(PROFILES["qwen3-reranker-0.6b"])


def test_nothing_names_an_index_of_packages() -> None:
    files = subprocess.run(["git", "ls-files"], cwd=docs.ROOT, capture_output=True, text=True, check=True).stdout
    registries = re.compile(
        "|".join(("pypi" + r"\.org", "python" + "hosted", "maven" + r"\.org", "npm" + "js", "crates" + r"\.io"))
    )
    for name in files.splitlines():
        text = (docs.ROOT / name).read_text(encoding="utf-8", errors="replace")
        assert not registries.search(text), f"{name} names a package registry"


def _commands(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(r"`(make [^`]+)`", text) + re.findall(r"^ {4}(make .+)$", text, re.MULTILINE)
