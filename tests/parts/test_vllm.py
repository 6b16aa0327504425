import os
from pathlib import Path

import pytest

from es_rerank.parts import vllm as parts_vllm
from es_rerank.parts.errors import PartError
from es_rerank.parts.vllm import has_gpu, start_vllm, vllm_environment


@pytest.fixture(autouse=True)
def _installed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_vllm, "vllm_installed", lambda: True)
    monkeypatch.setattr(parts_vllm, "on_cpu", lambda: True)


def test_without_vllm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_vllm, "vllm_installed", lambda: False)
    with pytest.raises(PartError, match=r"es-rerank\[vllm\]"):
        start_vllm([])


def test_a_cpu_gets_its_variables_and_what_was_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "7")
    env = vllm_environment([])
    assert (env["VLLM_CPU_KVCACHE_SPACE"], env["VLLM_CPU_OMP_THREADS_BIND"]) == ("7", "nobind")
    monkeypatch.setattr(parts_vllm, "on_cpu", lambda: False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert "OMP_NUM_THREADS" not in vllm_environment([])


@pytest.mark.parametrize("form", [["--model", "{}"], ["--runner", "pooling", "--model={}"]])
def test_only_a_local_model_is_offline(form: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert vllm_environment([part.format(tmp_path) for part in form])["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in vllm_environment([part.format("BAAI/bge") for part in form])
    assert "HF_HUB_OFFLINE" not in vllm_environment([])


def test_byte_code_is_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(parts_vllm, "_compiled", lambda: False)
    env = vllm_environment([])
    assert "PYTHONDONTWRITEBYTECODE" not in env
    assert env["PYTHONPYCACHEPREFIX"] == str(cache / "pycache")


def test_a_tool_that_lists_no_gpu_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has one")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not has_gpu()
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho No devices; exit 9\n")
    tool.chmod(0o755)
    assert not has_gpu()
    tool.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H100'\n")
    assert has_gpu()


def test_a_server_that_ends_at_its_start_shows_its_log(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"; echo no such model; exit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(parts_vllm.sys, "executable", str(python))
    with pytest.raises(
        PartError, match=r"(?s)exit code 1.*--runner pooling --host 127.0.0.1 --port \d+\nno such model"
    ):
        start_vllm(["--runner", "pooling"], env={"PATH": os.defpath})
    assert not [path for path in (cache / "runs").iterdir() if path.is_dir()]
