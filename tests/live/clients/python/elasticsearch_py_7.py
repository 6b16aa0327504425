"""elasticsearch-py 7."""

from __future__ import annotations

from typing import Any

from by_body import Library, access, steps_with
from elasticsearch import Elasticsearch, NotFoundError, RequestError, helpers
from steps import Target, run


def connect(target: Target) -> Elasticsearch:
    extra: dict[str, Any] = {"api_key": target.api_key} if target.api_key else {}
    return Elasticsearch([target.url], **access(target), **extra)


def open_pit(client: Elasticsearch, index: str) -> str:
    return str(client.open_point_in_time(index=index, keep_alive="1m")["id"])


def close_pit(client: Elasticsearch, point: str) -> object:
    return client.close_point_in_time(body={"id": point})


if __name__ == "__main__":
    run(connect, steps_with(Library(helpers, NotFoundError, RequestError, open_pit, close_pit)))
