from __future__ import annotations

from pathlib import Path

import pytest

from tests.newest_python import ROOT, installed, supported


def test_the_supported_versions_are_those_of_the_package() -> None:
    versions = supported((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert versions[-1] == "3.11"
    assert [int(version.partition(".")[2]) for version in versions] == list(range(10 + len(versions), 10, -1))


def test_the_newest_release_of_a_version_is_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("3.13.2", "3.13.10", "3.13-dev", "3.12.1", "3.13.0rc1"):
        (tmp_path / "versions" / name / "bin").mkdir(parents=True)
        (tmp_path / "versions" / name / "bin" / "python").touch()
    folder = tmp_path / "path"
    folder.mkdir()
    (folder / "python3.13").touch(0o755)
    monkeypatch.setenv("PATH", str(folder))
    found = [Path(path).relative_to(tmp_path) for path in installed("3.13", tmp_path)]
    assert [str(path) for path in found] == [
        "versions/3.13.10/bin/python",
        "versions/3.13.2/bin/python",
        "path/python3.13",
    ]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(installed("3.14", tmp_path)) == []
