"""The documentation matches the code: generated parts are current, links resolve, names and examples exist."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from es_rerank.config.rule_file import RuleFile, schema
from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings
from es_rerank.model import Why
from es_rerank.reasons import REASONS
from es_rerank.rerank.profiles import PROFILES, server_flags
from es_rerank.server.metrics import Metrics
from tests import docs

CHANGELOG = docs.ROOT / "CHANGELOG.md"
PAGES = sorted(
    [
        *docs.ROOT.glob("*.md"),
        *(docs.ROOT / "docs").glob("*.md"),
        *(docs.ROOT / "mappings").glob("*.md"),
        *(docs.ROOT / "docker").glob("*/*.md"),
    ]
)
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (docs.ROOT / "Makefile").read_text(), re.MULTILINE))
# Links of each page to files and headings of this repository: page, path (empty: the page itself), heading.
LINKS = [
    (page, path, heading)
    for page, text in TEXTS.items()
    for path, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text)
]


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> list[str]:
    """Return the `make` commands that a page names."""
    return re.findall(r"`(make [^`]+)`", TEXTS[page]) + re.findall(r"^ {4}(make .+)$", TEXTS[page], re.MULTILINE)


def renames() -> Iterator[tuple[str, str]]:
    """List old and new names from the tables of the changelog."""
    for line in TEXTS[CHANGELOG].splitlines():
        if renamed := re.fullmatch(r"\| [a-z ]+ \| `([^`]+)` \| `([^`]+)` \|", line):
            yield renamed[1], renamed[2]


RENAMES = list(renames())


@pytest.mark.parametrize("page", docs.PAGES, ids=lambda page: page.name)
def test_generated_parts_are_current(page: Path) -> None:
    assert docs.regenerate(TEXTS[page], docs.PAGES[page]) == TEXTS[page], "run `make docs`"


def test_a_page_without_markers_is_an_error() -> None:
    with pytest.raises(ValueError, match="no markers for settings"):
        docs.regenerate("# Reference\n", docs.PAGES[docs.REFERENCE])


def test_the_schema_of_rules_is_current() -> None:
    assert docs.SCHEMA.read_text(encoding="utf-8") == schema(), "run `make docs`"


def test_every_reason_is_explained() -> None:
    assert set(REASONS) == set(Why)


@pytest.mark.parametrize(("page", "path", "heading"), LINKS, ids=[f"{p.name}: {to}#{at}" for p, to, at in LINKS])
def test_links_resolve(page: Path, path: str, heading: str) -> None:
    target = (page.parent / path).resolve() if path else page
    assert target.exists()
    if heading:
        assert heading in anchors(target.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_has_links(page: Path) -> None:
    assert any(source == page for source, _, _ in LINKS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_exist(page: Path) -> None:
    named = set(re.findall(r"^make ([a-z][a-z-]*)", "\n".join(commands(page)), re.MULTILINE))
    assert named <= TARGETS


def test_the_pages_name_make_targets() -> None:
    assert {"demo", "test"} <= TARGETS
    assert {page.name for page in PAGES if commands(page)} >= {"CONTRIBUTING.md", "README.md"}


def test_metrics_in_the_docs_exist() -> None:
    named = {name for page in PAGES if page != CHANGELOG for name in re.findall(r"`(es_rerank_\w+)`", TEXTS[page])}
    assert len(named) > 1
    assert named <= set(docs.metric_rows())


def test_every_metric_that_an_endpoint_exposes_is_documented() -> None:
    exposed = {family.name for family in text_string_to_metric_families(Metrics().text().decode())}
    listed = {name.removesuffix("_total") for name in docs.metric_rows()}
    assert {name for name in exposed if not name.startswith("process_")} == listed
    assert not any(name.endswith("_created") for name in exposed)


def test_metrics_follow_the_conventions_of_prometheus() -> None:
    for name, row in docs.metric_rows().items():
        assert name.endswith("_total") is (row.kind == "counter"), name
        assert "seconds" not in name or name.endswith("_duration_seconds"), name
        assert row.text.endswith("."), name


def test_renamed_things_have_their_new_names_in_the_docs() -> None:
    assert RENAMES
    for old, new in RENAMES:
        for page in PAGES:
            if page != CHANGELOG:
                assert f"`{old}`" not in TEXTS[page], f"{page.name} says `{old}` for `{new}`"


def test_example_rules_can_be_read() -> None:
    folder = docs.ROOT / "mappings"
    rules = list(Rules(Settings.model_validate({"mappings": folder})))
    assert rules
    assert len(rules) == len(list(folder.glob("*.yaml")))


def test_rule_examples_in_the_docs_are_valid() -> None:
    blocks = [block for text in TEXTS.values() for block in re.findall(r"```yaml\n(index:.*?)```", text, re.DOTALL)]
    assert blocks
    for block in blocks:
        RuleFile.model_validate(yaml.safe_load(block))


def test_settings_examples_in_the_docs_are_valid() -> None:
    examples = r"```yaml\n(# settings\.yaml\n.*?)```"
    blocks = [block for text in TEXTS.values() for block in re.findall(examples, text, re.DOTALL)]
    assert blocks
    for block in blocks:
        Settings.model_validate(yaml.safe_load(block))


@pytest.mark.parametrize("file", ["compose.yaml", "compose.cpu.yaml", "compose.scale.yaml"])
def test_compose_files_name_settings_that_exist(file: str) -> None:
    services = yaml.safe_load((docs.ROOT / "docker" / file).read_text(encoding="utf-8"))["services"]
    endpoints = [service for name, service in services.items() if name.startswith("es-rerank")]
    variables = [name for one in endpoints for name in one["environment"] if name.startswith("ES_RERANK_")]
    assert variables
    assert {name.removeprefix("ES_RERANK_").lower() for name in variables} <= set(Settings.model_fields)


def test_compose_reranks_every_index() -> None:
    service = yaml.safe_load((docs.ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))["services"][
        "es-rerank"
    ]
    (mount,) = service["volumes"]
    folder, inside, _ = mount.split(":")
    assert service["environment"]["ES_RERANK_MAPPINGS"] == inside
    rules = list(Rules(Settings.model_validate({"mappings": docs.ROOT / "docker" / folder})))
    assert [rule.patterns for rule in rules] == [("*",)]


@pytest.mark.parametrize("file", ["compose.yaml", "compose.cpu.yaml", "compose.scale.yaml"])
def test_compose_files_publish_ports_to_this_machine_alone(file: str) -> None:
    services = yaml.safe_load((docs.ROOT / "docker" / file).read_text(encoding="utf-8"))["services"]
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports or file == "compose.cpu.yaml", "compose.cpu.yaml takes the services with ports from compose.yaml"
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_the_image_checks_its_health_at_the_admin_address() -> None:
    lines = (docs.ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert [Settings().admin_listen in line for line in lines if "/_rerank/health/live" in line] == [True]
    assert not any(line.strip().startswith("ES_RERANK_ADMIN_LISTEN") for line in lines)


def test_compose_starts_vllm_with_the_flags_of_the_profile() -> None:
    services = yaml.safe_load((docs.ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    model, *flags = services["vllm"]["command"]
    command = ["--model", model, *flags]
    template = command.index("--chat-template") + 1
    mounted = [volume for volume in services["vllm"]["volumes"] if f":{command[template]}:" in volume]
    command[template] = str((docs.ROOT / "docker" / mounted[0].partition(":")[0]).resolve())
    assert command == server_flags(PROFILES["qwen3-reranker-0.6b"])


def test_no_file_names_a_package_registry() -> None:
    files = subprocess.run(["git", "ls-files"], cwd=docs.ROOT, capture_output=True, text=True, check=True).stdout
    assert files
    registries = re.compile(
        "|".join(("pypi" + r"\.org", "python" + "hosted", "maven" + r"\.org", "npm" + "js", "crates" + r"\.io"))
    )
    for name in files.splitlines():
        text = (docs.ROOT / name).read_text(encoding="utf-8", errors="replace")
        assert not registries.search(text), f"{name} names a package registry"
