from __future__ import annotations

import pytest

from es_rerank.engine_client.anonymous_headers import ANONYMOUS_HEADERS, identifies


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "proxy-authorization",
        "cookie",
        "es-secondary-authorization",
        "es-security-runas-user",
        "opendistro_security_impersonate_as",
        "securitytenant",
        "x-proxy-user",
        "x-proxy-roles",
        "x-forwarded-user",
        "x-forwarded-groups",
        "x-forwarded-email",
        "x-forwarded-access-token",
        "x-forwarded-client-cert",
        "x-auth-request-user",
        "x-remote-user",
        "remote-user",
        "x-amzn-oidc-identity",
        "x-goog-authenticated-user-email",
        "x-ms-client-principal",
        "cf-access-jwt-assertion",
        "x-api-key",
        "x-amz-security-token",
        "x-tenant",
        "x-unknown",
    ],
)
def test_headers_that_may_carry_identity_identify_the_caller(name: str) -> None:
    assert identifies()(name)


def test_tracing_headers_and_addresses_do_not() -> None:
    known = identifies(("X-Own", "x-trace-*"))
    names = [name.replace("*", "any") for name in ANONYMOUS_HEADERS]
    assert not any(map(known, [*names, "x-own", "x-trace-1"]))
    assert all(map(known, ["x-own-2", "x-tracer"]))


def test_names_are_in_lower_case_and_occur_once() -> None:
    assert list(ANONYMOUS_HEADERS) == [name.lower() for name in dict.fromkeys(ANONYMOUS_HEADERS)]
