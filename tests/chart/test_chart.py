"""The Helm chart, rendered with several sets of values, and checked against the schemas of Kubernetes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema
import pytest
import yaml

from es_rerank.config.loading import load
from es_rerank.config.settings import Settings
from tests import docs
from tests.chart import schemas
from tests.chart.tools import ROOT, helm, kubeconform

CHART = ROOT / "docker" / "helm" / "es-rerank"
# Resources of operators, whose schemas are not part of Kubernetes.
CUSTOM = {"ServiceMonitor", "ScaledObject"}
VALUES: Mapping[str, tuple[dict[str, Any], set[str]]] = {
    "defaults": ({}, {"ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"}),
    "rules": ({"rules": {"articles.yaml": "index: [articles]\nfields: [title]\n"}}, {"ConfigMap"}),
    "secret and cache": (
        {
            "existingSecret": "es-rerank",
            "sharedCache": {"url": "rediss://valkey:6379"},
            "imagePullSecrets": [{"name": "a"}],
        },
        {"Deployment"},
    ),
    "autoscaling": (
        {"autoscaling": {"enabled": True, "targetSearchesInFlight": 20}, "podAnnotations": {"a": "b"}},
        {"HorizontalPodAutoscaler"},
    ),
    "monitoring": (
        {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}, "networkPolicy": {"enabled": False}},
        {"ServiceMonitor"},
    ),
    "vllm": ({"vllm": {"enabled": True, "replicaCount": 2, "existingClaim": "models"}}, {"Deployment", "Service"}),
    "vllm with KEDA": ({"vllm": {"enabled": True, "keda": {"enabled": True}}}, {"ScaledObject"}),
    "placement": (
        {
            "nodeSelector": {"pool": "search"},
            "tolerations": [{"key": "search", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "service": {"type": "LoadBalancer", "port": 9200, "annotations": {"a": "b"}},
            "podDisruptionBudget": {"maxUnavailable": "50%"},
        },
        {"Service"},
    ),
}


def run(*arguments: str, values: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Run Helm with values from its standard input."""
    return subprocess.run(
        [str(helm()), *arguments, str(CHART), "--values", "-"],
        input=json.dumps(values or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@cache
def rendered(name: str) -> str:
    done = run("template", "try", "--namespace", "search", values=VALUES[name][0])
    assert done.returncode == 0, done.stderr
    return done.stdout


def resources(name: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(rendered(name)) if one]


def settings_of(name: str) -> Settings:
    """Return the settings of the endpoint, as it reads them."""
    (text,) = (one["data"]["settings.yaml"] for one in resources(name) if "settings.yaml" in one.get("data", {}))
    return load(yaml.safe_load(text), {}, None)


def test_helm_finds_nothing_to_complain_about() -> None:
    done = run("lint", "--strict")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", VALUES)
def test_each_set_of_values_makes_valid_resources(name: str) -> None:
    found = resources(name)
    assert VALUES[name][1] <= {one["kind"] for one in found}
    for one in found:
        if one["kind"] in CUSTOM:
            continue
        group, _, version = one["apiVersion"].rpartition("/")
        path = schemas.FOLDER / f"{schemas.file_name(group, version, one['kind'])}.json"
        jsonschema.Draft7Validator(json.loads(path.read_text())).validate(one)


@pytest.mark.parametrize("name", VALUES)
def test_kubeconform_accepts_the_resources_where_go_can_build_it(name: str) -> None:
    program = kubeconform()
    if program is None:
        assert resources(name), "without Go, the schemas are checked in Python only"
        return
    location = f"{schemas.FOLDER}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    flags = ["-strict", "-summary", "-skip", ",".join(CUSTOM), "-schema-location", location]
    done = subprocess.run(
        [str(program), *flags], input=rendered(name), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout
    assert "Errors: 0" in done.stdout


def test_the_schemas_reject_an_unknown_field() -> None:
    (deployment,) = (one for one in resources("defaults") if one["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    schema = json.loads((schemas.FOLDER / "deployment-apps-v1.json").read_text())
    with pytest.raises(jsonschema.ValidationError, match="readynessProbe"):
        jsonschema.Draft7Validator(schema).validate(deployment)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"replicaCount": "two"}, "/replicaCount"),
        ({"replicas": 2}, "'replicas' not allowed"),
        ({"settings": {"windoww": 20}}, "'windoww' not allowed"),
        ({"settings": {"upstream_password": "s3cret"}}, "'upstream_password' not allowed"),
        ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
        ({"service": {"port": 0}}, "/service/port"),
        ({"rules": {"articles.txt": ""}}, "'articles.txt' not allowed"),
        ({"sharedCache": {"url": "memcached://a"}}, "/sharedCache/url"),
        ({"vllm": {"keda": {"waiting": 0}}}, "/vllm/keda/waiting"),
    ],
)
def test_a_wrong_value_is_rejected_by_name(values: dict[str, Any], words: str) -> None:
    done = run("template", "try", values=values)
    assert done.returncode != 0
    assert words in done.stderr


@pytest.mark.parametrize("name", VALUES)
def test_the_endpoint_accepts_its_settings(name: str) -> None:
    found = settings_of(name)
    assert (found.admin_listen, found.reload) == ("0.0.0.0:9281", "change")
    vllm = VALUES[name][0].get("vllm")
    assert found.reranker == (("dns://try-es-rerank-vllm.search.svc:8000",) if vllm else ("http://vllm:8000",))


def test_a_change_of_the_settings_restarts_the_pods_and_a_change_of_rules_does_not() -> None:
    def checksum(values: Mapping[str, Any]) -> str:
        found = yaml.safe_load_all(run("template", "try", values=values).stdout)
        (deployment,) = (one for one in found if one["kind"] == "Deployment")
        return str(deployment["spec"]["template"]["metadata"]["annotations"]["checksum/settings"])

    rule = {"rules": {"a.yaml": "index: a"}}
    assert checksum({}) != checksum({"settings": {"window": 20}})
    assert checksum(rule) == checksum({"rules": {"a.yaml": "index: b"}})


def test_the_values_have_every_setting_that_the_chart_does_not_set() -> None:
    text = docs.CHART_SCHEMA.read_text(encoding="utf-8")
    assert text == docs.chart_schema(text), "run `make docs`"


def test_the_prompt_template_is_that_of_the_profile() -> None:
    own = ROOT / "es_rerank" / "rerank" / "profiles" / "qwen3_reranker.jinja"
    assert (CHART / "qwen3_reranker.jinja").read_bytes() == own.read_bytes()
