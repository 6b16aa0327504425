import json
from pathlib import Path

import pytest

from es_rerank_lab.parts.distribution import ENGINES
from es_rerank_lab.parts.java import Java
from es_rerank_lab.parts.node import Node

SHIPPED = """-Xms1g
-Xmx1g
-XX:+UseG1GC
20-:--add-modules=jdk.incubator.vector
-XX:HeapDumpPath=data
9-:-Xlog:gc*:file=logs/gc.log
"""


@pytest.fixture
def node(tmp_path: Path) -> Node:
    home, run = tmp_path / "home", tmp_path / "run"
    (home / "config").mkdir(parents=True)
    (home / "modules" / "x-pack-ml").mkdir(parents=True)
    run.mkdir()
    (home / "config" / "jvm.options").write_text(SHIPPED)
    return Node(
        engine=ENGINES["elasticsearch"],
        home=home,
        run=run,
        java=Java(Path("/java"), 25, frozenset({"java.base"})),
        port=9201,
        heap="300m",
        data=run / "data",
        settings={"node.name": "mine"},
    )


def test_the_settings_bind_loopback_and_use_the_folder_of_the_run(node: Node) -> None:
    node.write()
    lines = (node.config / "elasticsearch.yml").read_text().splitlines()
    settings = {name: json.loads(value) for name, value in (line.split(": ", 1) for line in lines)}
    assert settings["network.host"] == "127.0.0.1"
    assert settings["http.port"] == 9201
    assert settings["path.data"] == str(node.run / "data")
    assert settings["node.name"] == "mine"


def test_settings_of_a_module_need_the_module(node: Node) -> None:
    node.write()
    text = (node.config / "elasticsearch.yml").read_text()
    assert "xpack.ml.enabled: false" in text
    assert "geoip" not in text


def test_java_gets_the_heap_size_and_no_missing_module(node: Node) -> None:
    node.write()
    lines = (node.config / "jvm.options").read_text().splitlines()
    assert lines[:3] == ["-XX:+UseG1GC", "-Xms300m", "-Xmx300m"]
    assert (node.home / "config" / "jvm.options").read_text() == SHIPPED


def test_the_environment_names_the_folder_of_the_run(node: Node) -> None:
    env = node.environment()
    assert (env["ES_JAVA_HOME"], env["ES_PATH_CONF"]) == ("/java", str(node.run / "config"))
