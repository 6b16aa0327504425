"""elasticsearch-py 8 and 9."""

from __future__ import annotations

from typing import Any

from elasticsearch import BadRequestError, Elasticsearch, NotFoundError, helpers
from steps import DOCUMENTS, MAPPINGS, MILL, RIVER, SETTINGS, TAGS, WRONG, Target, refused, run, seen


def connect(target: Target) -> Elasticsearch:
    access: dict[str, Any] = {}
    if target.api_key:
        access["api_key"] = target.api_key
    elif target.username:
        access["basic_auth"] = (target.username, target.password)
    if target.ca and target.url.startswith("https"):
        access["ca_certs"] = target.ca
    return Elasticsearch(target.url, max_retries=0, **access)


def info(client: Elasticsearch, _: Target) -> object:
    answer = client.info()
    return {"ping": client.ping(), "version": answer["version"]["number"], "tagline": answer["tagline"]}


def create_index(client: Elasticsearch, target: Target) -> object:
    client.options(ignore_status=404).indices.delete(index=target.index)
    made = client.indices.create(index=target.index, settings=SETTINGS, mappings=MAPPINGS)
    fields = client.indices.get_mapping(index=target.index)[target.index]["mappings"]["properties"]
    return {"made": made["acknowledged"], "exists": bool(client.indices.exists(index=target.index)), "fields": fields}


def bulk(client: Elasticsearch, target: Target) -> object:
    actions = ({"_index": target.index, "_id": name, "_source": one} for name, one in DOCUMENTS.items())
    done, errors = helpers.bulk(client, actions, refresh=True)
    return {"done": done, "errors": errors}


def search(client: Elasticsearch, target: Target) -> object:
    answer = client.search(index=target.index, query=RIVER, size=5, aggs=TAGS, source=["title"])
    return seen(answer["hits"]) | {"tags": answer["aggregations"]["tags"]["buckets"]}


def msearch(client: Elasticsearch, target: Target) -> object:
    here, absent = {"index": target.index}, {"index": f"{target.index}-absent"}
    lines = [here, {"query": RIVER}, here, {"query": MILL, "size": 2}, absent, {"query": RIVER}]
    *found, failed = client.msearch(searches=lines)["responses"]
    return {"found": [seen(one["hits"]) for one in found], "failed": failed["error"]["type"]}


def scroll(client: Elasticsearch, target: Target) -> object:
    return [hit["_id"] for hit in helpers.scan(client, index=target.index, query={"query": RIVER}, size=3)]


def pit(client: Elasticsearch, target: Target) -> object:
    point: Any = {"id": client.open_point_in_time(index=target.index, keep_alive="1m")["id"], "keep_alive": "1m"}
    first = client.search(pit=point, query=RIVER, size=4, sort=[{"year": "asc"}])
    after = first["hits"]["hits"][-1]["sort"]
    second = client.search(pit=point, query=RIVER, size=4, sort=[{"year": "asc"}], search_after=after)
    client.close_point_in_time(id=point["id"])
    return [seen(page["hits"]) for page in (first, second)]


def count(client: Elasticsearch, target: Target) -> object:
    return client.count(index=target.index, query=RIVER)["count"]


def update(client: Elasticsearch, target: Target) -> object:
    result = client.update(index=target.index, id="b05", doc={"tag": "water"}, refresh=True)["result"]
    return {"result": result, "now": client.get(index=target.index, id="b05")["_source"]}


def delete(client: Elasticsearch, target: Target) -> object:
    result = client.delete(index=target.index, id="b05", refresh=True)["result"]
    return {"result": result, "exists": bool(client.exists(index=target.index, id="b05"))}


def errors(client: Elasticsearch, target: Target) -> object:
    absent, here = f"{target.index}-absent", target.index
    return {
        "absent": refused(lambda: client.search(index=absent, query=RIVER), NotFoundError),
        "wrong": refused(lambda: client.search(index=here, query=WRONG), BadRequestError),
        "gone": bool(client.indices.delete(index=here)["acknowledged"]),
    }


STEPS = {
    "info": info,
    "create index": create_index,
    "bulk": bulk,
    "search": search,
    "msearch": msearch,
    "scroll": scroll,
    "PIT": pit,
    "count": count,
    "update": update,
    "delete": delete,
    "errors": errors,
}

if __name__ == "__main__":
    run(connect, STEPS)
