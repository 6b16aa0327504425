"""The steps for clients that take whole bodies: elasticsearch-py 7 and opensearch-py, which is a fork of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from steps import DOCUMENTS, MAPPINGS, MILL, RIVER, SETTINGS, TAGS, WRONG, Step, Target, refused, seen


@dataclass(frozen=True)
class Library:
    """The differences between the two."""

    helpers: Any
    not_found: type[Exception]
    bad_request: type[Exception]
    open_pit: Callable[[Any, str], str]
    close_pit: Callable[[Any, str], object]


def access(target: Target) -> dict[str, Any]:
    """Return the keyword arguments for credentials."""
    found: dict[str, Any] = {"max_retries": 0}
    if target.username:
        found["http_auth"] = (target.username, target.password)
    if target.ca and target.url.startswith("https"):
        found["ca_certs"] = target.ca
    return found


def info(client: Any, _: Target) -> object:
    answer = client.info()
    return {"ping": client.ping(), "version": answer["version"]["number"], "tagline": answer["tagline"]}


def create_index(client: Any, target: Target) -> object:
    client.indices.delete(index=target.index, ignore=[404])
    made = client.indices.create(index=target.index, body={"settings": SETTINGS, "mappings": MAPPINGS})
    fields = client.indices.get_mapping(index=target.index)[target.index]["mappings"]["properties"]
    return {"made": made["acknowledged"], "exists": client.indices.exists(index=target.index), "fields": fields}


def search(client: Any, target: Target) -> object:
    body = {"query": RIVER, "size": 5, "aggs": TAGS, "_source": ["title"]}
    answer = client.search(index=target.index, body=body)
    return seen(answer["hits"]) | {"tags": answer["aggregations"]["tags"]["buckets"]}


def msearch(client: Any, target: Target) -> object:
    here, absent = {"index": target.index}, {"index": f"{target.index}-absent"}
    lines = [here, {"query": RIVER}, here, {"query": MILL, "size": 2}, absent, {"query": RIVER}]
    *found, failed = client.msearch(body=lines)["responses"]
    return {"found": [seen(one["hits"]) for one in found], "failed": failed["error"]["type"]}


def count(client: Any, target: Target) -> object:
    return client.count(index=target.index, body={"query": RIVER})["count"]


def update(client: Any, target: Target) -> object:
    result = client.update(index=target.index, id="b05", body={"doc": {"tag": "water"}}, refresh=True)["result"]
    return {"result": result, "now": client.get(index=target.index, id="b05")["_source"]}


def delete(client: Any, target: Target) -> object:
    result = client.delete(index=target.index, id="b05", refresh=True)["result"]
    return {"result": result, "exists": client.exists(index=target.index, id="b05")}


def steps_with(library: Library) -> Mapping[str, Step]:
    """Return all steps; those that need the library are defined here."""

    def bulk(client: Any, target: Target) -> object:
        actions = ({"_index": target.index, "_id": name, "_source": one} for name, one in DOCUMENTS.items())
        done, errors = library.helpers.bulk(client, actions, refresh=True)
        return {"done": done, "errors": errors}

    def scroll(client: Any, target: Target) -> object:
        found = library.helpers.scan(client, index=target.index, query={"query": RIVER}, size=3)
        return [hit["_id"] for hit in found]

    def pit(client: Any, target: Target) -> object:
        point = {"id": library.open_pit(client, target.index), "keep_alive": "1m"}
        body: dict[str, Any] = {"pit": point, "query": RIVER, "size": 4, "sort": [{"year": "asc"}]}
        first = client.search(body=body)
        second = client.search(body=body | {"search_after": first["hits"]["hits"][-1]["sort"]})
        library.close_pit(client, point["id"])
        return [seen(page["hits"]) for page in (first, second)]

    def errors(client: Any, target: Target) -> object:
        absent, here = f"{target.index}-absent", target.index
        return {
            "absent": refused(lambda: client.search(index=absent, body={"query": RIVER}), library.not_found),
            "wrong": refused(lambda: client.search(index=here, body={"query": WRONG}), library.bad_request),
            "gone": client.indices.delete(index=here)["acknowledged"],
        }

    made: dict[str, Step] = {"info": info, "create index": create_index, "bulk": bulk, "search": search}
    made |= {"msearch": msearch, "scroll": scroll, "PIT": pit, "count": count, "update": update}
    return made | {"delete": delete, "errors": errors}
