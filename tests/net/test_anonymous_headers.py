from __future__ import annotations

import pytest

from es_rerank.net.anonymous_headers import ANONYMOUS_HEADERS, ANONYMOUS_PREFIXES, split
from es_rerank.net.identity import may_identify


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
    assert may_identify(name)


@pytest.mark.parametrize(
    "name",
    [
        "traceparent",
        "X-B3-TraceId",
        "x-datadog-trace-id",
        "uber-trace-id",
        "sentry-trace",
        "elastic-apm-traceparent",
        "X-Amzn-Trace-Id",
        "X-Cloud-Trace-Context",
        "newrelic",
        "X-Forwarded-For",
        "CF-Ray",
        "True-Client-IP",
        "X-Request-Id",
        "Accept-Language",
        "sec-ch-ua-mobile",
    ],
)
def test_tracing_headers_and_addresses_do_not(name: str) -> None:
    assert not may_identify(name)


def test_a_setting_adds_names_and_starts_of_names() -> None:
    more = ("x-own", "x-trace-*")
    assert not any(may_identify(name, more) for name in ("X-Own", "x-trace-1"))
    assert all(may_identify(name, more) for name in ("x-own-2", "x-tracer", "authorization"))
    assert split(("X-Own", "x-Trace-*")) == (frozenset({"x-own"}), ("x-trace-",))


def test_names_are_in_lower_case() -> None:
    assert {name.lower() for name in ANONYMOUS_HEADERS} == ANONYMOUS_HEADERS
    assert all(len(start) > 3 for start in ANONYMOUS_PREFIXES)
