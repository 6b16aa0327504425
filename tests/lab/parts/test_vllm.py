import os
from pathlib import Path

import pytest

from es_rerank.cli import vllm_command
from es_rerank_lab.parts import vllm as parts_vllm
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.vllm import start_vllm


@pytest.fixture(autouse=True)
def _installed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_vllm, "vllm_installed", lambda: True)


def test_a_missing_vllm_is_reported_with_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_vllm, "vllm_installed", lambda: False)
    with pytest.raises(PartError, match=r"es-rerank\[vllm\]"):
        start_vllm([])


def test_a_server_that_ends_during_startup_is_reported_with_its_log(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"; echo no such model; exit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(vllm_command.sys, "executable", str(python))
    with pytest.raises(
        PartError, match=r"(?s)exit code 1.*--runner pooling --host 127.0.0.1 --port \d+\nno such model"
    ):
        start_vllm(["--runner", "pooling"], env={"PATH": os.defpath})
    assert not [path for path in (cache / "runs").iterdir() if path.is_dir()]


def test_byte_code_is_kept_in_the_cache_folder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_vllm, "_compiled", lambda: False)
    assert parts_vllm._byte_code() == {"PYTHONPYCACHEPREFIX": str(cache / "pycache")}
    monkeypatch.setattr(parts_vllm, "_compiled", lambda: True)
    assert parts_vllm._byte_code() == {}
