from __future__ import annotations

from pathlib import Path

import pytest

from es_rerank.testing import FakeResponse, FakeServer, fake_settings, running_endpoint, serve_fake

RESOLVED = FakeResponse(
    b'{"indices":[{"name":"films"},{"name":".kibana"},{"name":"letters"}],'
    b'"aliases":[{"name":"all","indices":["films","letters"]}],"data_streams":[{"name":"logs-app"}]}'
)


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (RESOLVED, ["all", "films", "letters", "logs-app"]),
        (FakeResponse(b'{"indices":[1,{"name":2}],"aliases":{}}'), []),
        (FakeResponse(b"[]"), []),
        (FakeResponse(b"no json"), []),
        (FakeResponse(b'{"error":{}}', 403), []),
    ],
)
async def test_names_are_listed_without_hidden_ones(answer: FakeResponse, names: list[str]) -> None:
    async with (
        serve_fake(FakeServer({"": answer})) as engine,
        running_endpoint(fake_settings(engine)) as proxy,
    ):
        got = await proxy.pages.send("GET", "/_rerank/indices", None, [("Authorization", "Basic bWU6cmlnaHQ=")])
        metrics = await proxy.pages.send("GET", "/_rerank/metrics")
    assert got.json == {"indices": [{"name": name, "rule": "default"} for name in names]}
    (asked,) = engine.seen
    assert (asked.method, asked.target) == ("GET", "/_resolve/index/*")
    assert asked.headers["Authorization"] == "Basic bWU6cmlnaHQ="
    assert "es_rerank_passthrough_requests_total 0.0" in metrics.body.decode()


async def test_each_name_has_its_rule(tmp_path: Path) -> None:
    (tmp_path / "films.yaml").write_text("index: films\n")
    (tmp_path / "off.yaml").write_text("index: letters\nmode: off\n")
    async with (
        serve_fake(FakeServer({"": RESOLVED})) as engine,
        running_endpoint(fake_settings(engine, mappings=tmp_path)) as proxy,
    ):
        got = await proxy.pages.send("GET", "/_rerank/indices")
    assert {row["name"]: row["rule"] for row in got.json["indices"]} == {
        "all": None,
        "films": "films",
        "letters": None,
        "logs-app": None,
    }


async def test_without_an_engine_the_reason_is_returned() -> None:
    async with running_endpoint(fake_settings()) as proxy:
        got = await proxy.pages.send("GET", "/_rerank/indices")
    assert (got.status, got.json["error"]["type"]) == (502, "upstream_unreachable_exception")
