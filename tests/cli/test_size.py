from __future__ import annotations

import json
import re
from typing import Any

import pytest

from es_rerank.cli import admin_client
from es_rerank.cli.admin_client import AdminPages
from es_rerank.cli.size import shown_rate, shown_seconds
from tests.cli.conftest import Run
from tests.docs import ROOT


def rows(output: str) -> dict[str, str]:
    """Return the last column of each row, by the first one."""
    name, value = zip(*(re.split(" {2,}", line) for line in output.splitlines()), strict=True)
    return dict(zip(name, value, strict=True))


def test_the_searches_of_one_server_and_the_servers_and_cores_of_a_peak(run: Run) -> None:
    result = run("size", "--tokens-per-second", "220000", "--peak", "200", "--hit-rate", "0.5")
    assert (result.exit_code, rows(result.output)) == (
        0,
        {
            "one server": "220,000 tokens/s",
            "tokens of a new search": "12,800",
            "model time of a new search": "58 ms",
            "at most half of the deadline of 3 s": "yes",
            "searches/s at 70% of the throughput, 50% of scores cached": "24.1",
            "servers for 200 searches/s, with 1 spare": "10",
            "processor cores of endpoints for 200 searches/s": "2",
        },
    )


def test_if_the_window_does_not_fit_the_largest_one_is_shown(run: Run) -> None:
    shown = rows(run("size", "--tokens-per-second", "2000", "--deadline", "500ms", "--passage-tokens", "100").output)
    assert shown["at most half of the deadline of 0.5 s"] == "no"
    assert shown["largest window that fits"] == "5"
    assert not any("servers" in name for name in shown)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Give either --tokens-per-second or --endpoint."),
        (["--tokens-per-second", "9", "--endpoint", "http://127.0.0.1:9"], "Give either"),
        (["--tokens-per-second", "0"], "0.0 is not in the range"),
        (["--tokens-per-second", "9", "--deadline", "3"], "must be a duration of at most 10m with a unit"),
        (["--tokens-per-second", "9", "--hit-rate", "1"], "1.0 is not in the range 0<=x<=0.99"),
        (["--tokens-per-second", "9", "--window", "1"], "1 is not in the range 2<=x<=1000"),
        (["--tokens-per-second", "9", "--peak", "0"], "0.0 is not in the range"),
        (["--tokens-per-second", "nan"], "'nan' is not a finite number"),
        (["--tokens-per-second", "9", "--peak", "inf"], "not in the range"),
        (["--endpoint", "http://127.0.0.1:9"], "http://127.0.0.1:9 cannot be reached"),
    ],
)
def test_values_that_make_no_sense_are_rejected(arguments: list[str], words: str, run: Run) -> None:
    result = run("size", *arguments)
    assert result.exit_code != 0
    assert words in f"{result.output}{result.exception}"


def reporting(monkeypatch: pytest.MonkeyPatch, *rates: float | None) -> list[AdminPages]:
    """Replace the requests to es-rerank by a report of servers with these rates. Return the requested pages."""
    asked: list[AdminPages] = []
    servers = [{"url": f"http://gpu-{number}", "tokens_per_second": rate} for number, rate in enumerate(rates)]

    async def read_status(pages: AdminPages) -> dict[str, Any]:
        asked.append(pages)
        found: dict[str, Any] = json.loads(json.dumps({"reranker": {"servers": servers}}))
        return found

    monkeypatch.setattr(admin_client, "read_status", read_status)
    return asked


def test_the_mean_throughput_of_the_servers_of_an_endpoint_is_used(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = reporting(monkeypatch, 30_000.0, None, 10_000.0)
    result = run("size", "--endpoint", "http://es-rerank:9281/", "-H", "Authorization: Basic eDp5")
    assert asked == [AdminPages("http://es-rerank:9281", {"Authorization": "Basic eDp5"})]
    shown = result.output.splitlines()
    assert shown[:4] == ["server        tokens/s", "http://gpu-0    30,000", "http://gpu-2    10,000", ""]
    assert rows("\n".join(shown[4:]))["one server"] == "20,000 tokens/s"


def test_an_endpoint_that_has_measured_nothing_is_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    reporting(monkeypatch, None)
    result = run("size", "--endpoint", "http://es-rerank:9281")
    assert "http://es-rerank:9281 has not measured a throughput yet" in str(result.exception)


def test_numbers_are_shown_with_two_or_more_digits() -> None:
    assert [shown_rate(rate) for rate in (0.123, 1.234, 1234.5)] == ["0.12", "1.2", "1,234.5"]
    assert [shown_seconds(seconds) for seconds in (0.0584, 0.99, 1.25, 1234)] == [
        "58 ms",
        "990 ms",
        "1.2 s",
        "1,234.0 s",
    ]


def test_the_documentation_shows_the_output_of_the_command(run: Run) -> None:
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    command, shown = re.findall(r"^    es-rerank (size .+)\n\n```text\n(.*?)```$", page, re.MULTILINE | re.DOTALL)[0]
    assert run(*command.split()).output == shown
