"""A stand-in for the engine's plugin User Behavior Insights: records the hits of each response to `ext.ubi`.

The plugin is not part of the minimal distributions of the engines, which reject an unknown `ext`. So the stand-in is an
HTTP server in front of the engine: it removes `ext` from a search, records the ids of the hits in the response in their
order, and adds `ext.ubi.query_id` to the response, as the plugin does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .threaded_server import Handler, serving
from .wire import ask

_HOP_BY_HOP = {"connection", "content-length", "transfer-encoding"}
_SEARCHES = ("_search", "_msearch", "_search/template")


@dataclass
class UbiPlugin:
    """The ids of all recorded responses, by the `query_id` of the search."""

    url: str = ""
    records: dict[str, list[list[str]]] = field(default_factory=dict)

    def record(self, ext: Any, response: dict[str, Any]) -> None:
        if ext:
            key = ext["ubi"]["query_id"]
            self.records.setdefault(key, []).append([hit["_id"] for hit in response["hits"]["hits"]])
            response["ext"] = {"ubi": {"query_id": key}}


@contextmanager
def recorded(engine: str) -> Iterator[UbiPlugin]:
    """Run the stand-in in front of an engine while the context is open."""
    plugin = UbiPlugin()

    class Passing(Handler):
        def _pass(self) -> None:
            body, found = self.body(), []
            if self.path.partition("?")[0].endswith(_SEARCHES):
                found, body = _without_ext(body)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            answer = ask(engine, self.command, self.path, body or None, headers)
            content = answer.body
            if any(found) and answer.status == 200:
                response = json.loads(content)
                for ext, one in zip(found, response.get("responses", [response]), strict=True):
                    plugin.record(ext, one)
                content = json.dumps(response).encode()
            kept = [(name, value) for name, value in answer.headers if name.lower() not in _HOP_BY_HOP]
            self.answer(answer.status, kept, content)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _pass  # noqa: N815 - named by the library

    with serving(Passing) as plugin.url:
        yield plugin


def _without_ext(body: bytes) -> tuple[list[Any], bytes]:
    """Return the `ext` of each search of a body, and the body without them."""
    if b'"ext"' not in body and b'\\"ext\\"' not in body:
        return [], body
    lines = (
        [json.loads(line) for line in body.splitlines() if line.strip()]
        if b"\n" in body.strip()
        else [json.loads(body)]
    )
    found = []
    for search in lines[1::2] or lines:
        # es-rerank sends a rendered template as the parameter of another template.
        holder, name = (search["params"], "search") if "search" in search.get("params", {}) else (search, "source")
        inner = json.loads(holder[name]) if name in holder else search
        found.append(inner.pop("ext", None))
        if name in holder:
            holder[name] = json.dumps(inner)
    return found, "".join(f"{json.dumps(line)}\n" for line in lines).encode()
