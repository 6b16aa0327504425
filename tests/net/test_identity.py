"""Who a request shows its caller to be, and which site sent it."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from es_rerank.net.identity import is_foreign_host, is_foreign_site, may_identify, names_credentials, shows_identity

# Headers of requests that say nothing about the caller: of browsers, engine clients, tracing and gateways.
ANONYMOUS = ("Host", "Accept", "Content-Type", "User-Agent", "X-Elastic-Client-Meta", "traceparent", "X-Opaque-Id")
ANONYMOUS += ("X-Forwarded-For", "Sec-Fetch-Site", "sec-ch-ua", "X-Rerank-Mode", "Origin", "Referer", "kbn-xsrf")
# Headers with credentials or an identity, of engines, gateways and identity providers.
IDENTITY = ("Authorization", "Proxy-Authorization", "Cookie", "es-secondary-authorization", "es-security-runas-user")
IDENTITY += ("X-Forwarded-User", "X-Remote-User", "X-Proxy-Roles", "X-SSL-Client-DN", "X-Auth-Request-Email")
IDENTITY += ("securitytenant", "X-Api-Key", "X-Goog-Authenticated-User-Email", "X-Amz-Security-Token", "X-Person")


@pytest.mark.parametrize("name", ANONYMOUS)
def test_well_known_headers_do_not_identify_a_caller(name: str) -> None:
    assert not may_identify(name)
    assert not names_credentials(name)
    assert not shows_identity([*ANONYMOUS], "/docs/_search")


@pytest.mark.parametrize("name", IDENTITY)
def test_any_other_header_may_identify_a_caller(name: str) -> None:
    assert may_identify(name)
    assert may_identify(name.upper())
    assert shows_identity([*ANONYMOUS, name], "/docs/_search")
    assert not shows_identity([*ANONYMOUS, name], "/docs/_search", [name.lower()])


@pytest.mark.parametrize("name", [name for name in IDENTITY if name not in {"X-Person", "X-SSL-Client-DN"}])
def test_names_of_credentials_are_known(name: str) -> None:
    assert names_credentials(name)


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/docs/_search?q=token&preference=user&filter_path=hits&_source=author&group_by=parents", False),
        ("/token/_search", False),
        ("/docs/_search?jwt_token=a.b.c", True),
        ("/docs/_search?pretty&ACCESS_TOKEN=1", True),
        ("/docs/_search?a=1;api_key=1", True),
        ("/docs/_search?%6Awt=1", True),
        ("/docs/_search?X-Amz-Signature=1", True),
        ("/docs/_search?user=ann", True),
        ("http://ann:secret@engine/docs/_search", True),
        ("http://engine/docs/_search?q=a@b", False),
        ("*", False),
    ],
)
def test_parameters_and_absolute_urls_show_an_identity(target: str, shown: bool) -> None:
    assert shows_identity(["Host"], target) == shown


@pytest.mark.parametrize(
    ("host", "foreign"),
    [
        ("", False),
        ("localhost:9280", False),
        ("search", False),
        ("10.0.0.1:9280", False),
        ("[::1]:9280", False),
        ("Search.example:9280", False),
        ("a.pages.example", False),
        ("evil.example", True),
        ("search.example.evil.example", True),
        ("pages.example", True),
        ("localhost.", False),
        ("evil.example.", True),
        ("me@evil.example", True),
        ("[::1", True),
    ],
)
def test_a_name_with_a_dot_is_foreign_unless_it_is_trusted(host: str, foreign: bool) -> None:
    assert is_foreign_host(host, ["search.example", "*.Pages.example"]) == foreign


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://search:9280"}, False),
        ({"Origin": "http://search:9280"}, False),
        ({"Referer": "http://search:9280/_rerank/"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({"Sec-Fetch-Site": "unheard-of"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://search:9280"}, True),
        ({"Origin": "https://evil.example"}, True),
        ({"Origin": "http://search:3000"}, True),
        ({"Origin": "http://search:9280@evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Referer": "https://evil.example/search:9280"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://shop.example"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Referer": "https://shop.example/page"}, False),
        ({"Origin": "https://shop.example.evil.example"}, True),
        ({"Origin": "https://evil.example", "Referer": "https://shop.example/"}, True),
    ],
)
def test_a_request_for_a_page_of_another_site_is_foreign(headers: dict[str, str], foreign: bool) -> None:
    assert is_foreign_site(CIMultiDict({"Host": "search:9280", **headers}), ["shop.example"]) == foreign
