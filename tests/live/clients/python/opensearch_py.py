"""opensearch-py 3."""

from __future__ import annotations

from typing import Any

from by_body import Library, access, steps_with
from opensearchpy import NotFoundError, OpenSearch, RequestError, helpers
from steps import Target, run


def connect(target: Target) -> OpenSearch:
    extra: dict[str, Any] = {"headers": {"Authorization": f"ApiKey {target.api_key}"}} if target.api_key else {}
    return OpenSearch([target.url], **access(target), **extra)


def open_pit(client: OpenSearch, index: str) -> str:
    return str(client.create_pit(index=index, params={"keep_alive": "1m"})["pit_id"])


def close_pit(client: OpenSearch, point: str) -> object:
    return client.delete_pit(body={"pit_id": [point]})


if __name__ == "__main__":
    run(connect, steps_with(Library(helpers, NotFoundError, RequestError, open_pit, close_pit)))
