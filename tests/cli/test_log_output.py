from __future__ import annotations

import io
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from structlog.testing import capture_logs

from es_rerank.cli.log_output import LogOutput


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """The two ends of a pipe."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    with os.fdopen(write, "w") as stream:
        yield read, stream
    os.close(read)


def received(read: int) -> bytes:
    """Return all bytes in a pipe."""
    found = b""
    while select.select([read], [], [], 0)[0] and (more := os.read(read, 65536)):
        found += more
    return found


def test_lines_are_dropped_while_their_reader_is_stopped_and_the_log_says_how_many(pipe: tuple[int, TextIO]) -> None:
    read, stream = pipe
    output = LogOutput(stream)
    with capture_logs() as logs:
        for number in range(3000):
            output.write(f"{number} {'x' * 100}\n")
        before = received(read).splitlines()
        output.write("after\n")
    assert 100 < len(before) < 3000
    assert [int(line.split()[0]) for line in before] == list(range(len(before)))
    assert received(read) == b"after\n"
    assert [(line["event"], line["lines"]) for line in logs] == [("log lines dropped", 3000 - len(before))]
    assert repr(output) == "<LogOutput 0 lines dropped>"


def test_the_line_after_a_line_that_was_cut_off_starts_on_its_own(pipe: tuple[int, TextIO]) -> None:
    read, stream = pipe
    output = LogOutput(stream)
    with capture_logs():
        output.write("x" * 1_000_000 + "\n")
        cut = received(read)
        output.write("after\n")
    assert 0 < len(cut) < 1_000_000
    assert received(read) == b"\nafter\n"


def test_a_full_disk_fails_no_caller() -> None:
    with Path("/dev/full").open("w") as full:
        output = LogOutput(full)
        output.write("line\n")
    assert repr(output) == "<LogOutput 1 lines dropped>"


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_an_output_that_is_no_file_gets_the_lines_or_none(stream: io.StringIO | None) -> None:
    LogOutput(stream).write("line\n")
    assert stream is None or stream.getvalue() == "line\n"


LOG_MANY = (
    "import structlog\n"
    "from es_rerank.cli.logs import configure\n"
    "configure('info')\n"
    "for number in range(3000):\n"
    "    structlog.get_logger().info('event', number=number, text='x' * 100)\n"
    "print('done')\n"
)


@pytest.mark.parametrize("error", ["stopped", "full", "closed"])
def test_a_process_goes_on_while_its_log_cannot_be_written(error: str) -> None:
    read, write = os.pipe()
    full = os.open("/dev/full", os.O_WRONLY)
    target = {"stopped": write, "full": full, "closed": write}[error]
    if error == "closed":
        os.close(read)
    result = subprocess.run(
        [sys.executable, "-c", LOG_MANY], stderr=target, stdout=subprocess.PIPE, timeout=60, check=True
    )
    assert result.stdout == b"done\n"
    if error == "stopped":
        os.close(write)
        first = received(read).splitlines()[0]
        assert json.loads(first)["number"] == 0
        os.close(read)


def test_without_standard_error_nothing_fails() -> None:
    program = "import sys; sys.stderr = None\n" + LOG_MANY
    assert subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True).stdout == b"done\n"
