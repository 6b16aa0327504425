from __future__ import annotations

from pathlib import Path

import pytest

from es_rerank.cli import vllm_command
from es_rerank.cli.vllm_command import has_gpu, vllm_environment


@pytest.fixture(autouse=True)
def _on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_command, "on_cpu", lambda: True)


def test_vllm_may_write_byte_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in vllm_environment([])


def test_the_variables_for_a_cpu_do_not_override_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "7")
    env = vllm_environment([])
    assert (env["VLLM_CPU_KVCACHE_SPACE"], env["VLLM_CPU_OMP_THREADS_BIND"]) == ("7", "nobind")
    monkeypatch.setattr(vllm_command, "on_cpu", lambda: False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert "OMP_NUM_THREADS" not in vllm_environment([])


@pytest.mark.parametrize("form", [["--model", "{}"], ["--runner", "pooling", "--model={}"]])
def test_only_a_local_model_disables_the_hub(form: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert vllm_environment([part.format(tmp_path) for part in form])["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in vllm_environment([part.format("BAAI/bge") for part in form])
    assert "HF_HUB_OFFLINE" not in vllm_environment([])


def test_a_gpu_counts_only_if_nvidia_smi_lists_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not has_gpu()
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho No devices; exit 9\n")
    tool.chmod(0o755)
    assert not has_gpu()
    tool.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H100'\n")
    assert has_gpu()
