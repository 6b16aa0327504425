"""Write the schemas of the Kubernetes resources in the chart: `python -m tests.chart.schemas SWAGGER_JSON`.

SWAGGER_JSON is `api/openapi-spec/swagger.json` of Kubernetes, which the Go module k8s.io/cli-runtime has as
`artifacts/openapi/swagger.json`. Each schema rejects unknown fields, and has the file name that kubeconform looks for.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "schemas"
REFERENCE = "#/definitions/"
# The group, version and kind of each resource in the chart.
KINDS = (
    ("", "v1", "ConfigMap"),
    ("", "v1", "Service"),
    ("apps", "v1", "Deployment"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
    ("policy", "v1", "PodDisruptionBudget"),
)


def strict(value: Any) -> Any:
    """Return a schema without descriptions, in which an object may have no other properties than those named."""
    if isinstance(value, list):
        return [strict(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {
        name: {key: strict(one) for key, one in part.items()} if name in ("properties", "definitions") else strict(part)
        for name, part in value.items()
        if not (name == "description" and isinstance(part, str)) and not name.startswith("x-kubernetes")
    }
    if "properties" in kept:
        kept.setdefault("additionalProperties", False)
    if kept.get("format") == "int-or-string":
        return {"type": ["integer", "string"]}
    return kept


def used(definitions: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the definitions that a definition refers to, directly or not, and itself."""
    found: dict[str, Any] = {}
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found[one] = definitions[one]
            text = json.dumps(definitions[one])
            waiting += [part.partition('"')[0] for part in text.split(f'"$ref": "{REFERENCE}')[1:]]
    return found


def schema(definitions: Mapping[str, Any], group: str, version: str, kind: str) -> dict[str, Any]:
    """Return the schema of a resource."""
    wanted = {"group": group, "version": version, "kind": kind}
    name = next(name for name, one in definitions.items() if wanted in one.get("x-kubernetes-group-version-kind", ()))
    return {"$ref": f"{REFERENCE}{name}", "definitions": strict(used(definitions, name))}


def file_name(group: str, version: str, kind: str) -> str:
    """Return the name that kubeconform looks for."""
    return "-".join(filter(None, (kind.lower(), group.partition(".")[0], version)))


def main() -> None:
    definitions = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["definitions"]
    FOLDER.mkdir(exist_ok=True)
    for group, version, kind in KINDS:
        text = json.dumps(schema(definitions, group, version, kind), sort_keys=True, separators=(",", ":"))
        (FOLDER / f"{file_name(group, version, kind)}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
