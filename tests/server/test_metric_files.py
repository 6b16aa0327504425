from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import values
from structlog.testing import capture_logs

from es_rerank.server.metric_files import reserve, share_metrics
from es_rerank.server.metrics import SHARED_FOLDER


def sizes(folder: Path) -> dict[str, int]:
    return {path.name.rpartition("_")[0]: path.stat().st_size for path in folder.iterdir()}


def test_each_file_with_metrics_of_a_worker_has_space_on_the_disk(tmp_path: Path) -> None:
    reserve(tmp_path)
    reserved = sizes(tmp_path)
    assert all(path.stat().st_blocks * 512 >= path.stat().st_size for path in tmp_path.iterdir())
    (folder := tmp_path / "used").mkdir()
    program = (
        "from es_rerank.server.metric_files import share_metrics\n"
        "from es_rerank.server.metrics import Metrics\n"
        "share_metrics()\n"
        "metrics = Metrics()\n"
        "metrics.start_rules([f'rule-{number}' for number in range(50)])\n"
        "metrics.passed_through()\n"
        "assert b'es_rerank_passthrough_requests_total 1.0' in metrics.text()\n"
    )
    subprocess.run([sys.executable, "-c", program], env={**os.environ, SHARED_FOLDER: str(folder)}, check=True)
    assert sizes(folder) == reserved


def test_on_a_full_disk_a_worker_counts_alone_and_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name.startswith("counter"):
            return write(path, data)
        write(path, data[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setenv(SHARED_FOLDER, str(tmp_path))
    with capture_logs() as logs:
        share_metrics()
    assert [line["reason"] for line in logs] == ["No space left on device"]
    assert (SHARED_FOLDER in os.environ, list(tmp_path.iterdir())) == (False, [])
    assert values.ValueClass is values.MutexValue


def test_a_single_process_shares_no_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SHARED_FOLDER, raising=False)
    before = values.ValueClass
    share_metrics()
    assert values.ValueClass is before
