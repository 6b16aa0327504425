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
async def test_a_callers_own_credentials_are_never_replaced(
    given: dict[str, str], own: str | None, expected: str | None
) -> None:
    request = OutgoingRequest("GET", "/", CIMultiDict({"Authorization": own} if own else {}))
    sent = await credentials(Settings.model_validate(given))("http://engine", request)
    assert sent.headers.getall("Authorization", []) == ([expected] if expected else [])
    assert request.headers.get("Authorization") == own


def test_a_region_is_signed_for() -> None:
    assert isinstance(credentials(Settings(aws_region="eu-central-1")), Signer)
