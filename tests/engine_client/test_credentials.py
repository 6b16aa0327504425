from __future__ import annotations

import base64

import pytest
from multidict import CIMultiDict

from es_rerank.config.settings import Settings
from es_rerank.engine_client.credentials import credentials
from es_rerank.engine_client.sigv4 import Signer
from es_rerank.net.messages import OutgoingRequest

BASIC = "Basic " + base64.b64encode("search:pä:ss".encode()).decode()


@pytest.mark.parametrize(
    ("given", "own", "expected"),
    [
        ({}, None, None),
        ({}, "ApiKey caller", "ApiKey caller"),
        ({"upstream_api_key": "ours"}, None, "ApiKey ours"),
        ({"upstream_username": "search", "upstream_password": "pä:ss"}, None, BASIC),
        ({"upstream_api_key": "ours"}, "Bearer caller", "Bearer caller"),
    ],
)
async def test_service_credentials_never_replace_the_callers_own(
    given: dict[str, str], own: str | None, expected: str | None
) -> None:
    request = OutgoingRequest("GET", "/", CIMultiDict({"Authorization": own} if own else {}))
    add = credentials(Settings.model_validate(given))
    assert (add is None) is (not given)
    sent = await add.sign("http://engine", await add.prepare(request)) if add else request
    assert sent.headers.getall("Authorization", []) == ([expected] if expected else [])
    assert request.headers.get("Authorization") == own


def test_requests_are_signed_if_a_region_is_set() -> None:
    assert isinstance(credentials(Settings(aws_region="eu-central-1")), Signer)
