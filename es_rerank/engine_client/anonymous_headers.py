"""The request headers that do not identify a caller to the engine. Any other might, such as a proxy's user header.

Mappings are cached per caller, so a header that is not listed here and differs in each request makes every search ask
the engine for its mapping. The setting `anonymous_headers` adds to this list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

# Names in lower case; a `*` at the end stands for any characters.
ANONYMOUS_HEADERS = (
    # Tracing: W3C, Zipkin, Jaeger, OpenTracing, and vendors.
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "x-b3-*",
    "uber-trace-id",
    "uberctx-*",
    "jaeger-*",
    "ot-tracer-*",
    "x-ot-span-context",
    "grpc-trace-bin",
    "elastic-apm-traceparent",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "x-datadog-*",
    "newrelic",
    "x-newrelic-*",
    "x-dynatrace*",
    "x-instana-*",
    "x-honeycomb-trace",
    "x-wavefront-*",
    "sentry-trace",
    "x-appengine-request-*",
    "x-ms-client-request-id",
    "x-ms-request-id",
    "x-ms-correlation-request-id",
    # Ids of requests.
    "x-request-id",
    "x-requestid",
    "request-id",
    "request-context",
    "x-request-start",
    "x-queue-start",
    "x-correlation-id",
    "correlation-id",
    "x-transaction-id",
    "x-trace-id",
    "x-span-id",
    "x-client-trace-id",
    "x-opaque-id",
    "idempotency-key",
    # Proxies and content delivery networks: ids of requests, and addresses on the way.
    "cf-ray",
    "cf-visitor",
    "cf-ipcountry",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-ew-via",
    "cdn-loop",
    "cloudfront-*",
    "x-amz-cf-id",
    "x-akamai-*",
    "akamai-origin-hop",
    "true-client-ip",
    "fastly-*",
    "x-varnish",
    "x-timer",
    "x-vercel-id",
    "x-nf-request-id",
    "x-azure-ref",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-azure-requestchain",
    "x-envoy-*",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-original-forwarded-for",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-scheme",
    "x-proxyuser-ip",
    "via",
    # Clients and browsers.
    "accept-charset",
    "accept-language",
    "cache-control",
    "date",
    "dnt",
    "expect",
    "if-modified-since",
    "if-none-match",
    "origin",
    "pragma",
    "priority",
    "referer",
    "sec-ch-*",
    "sec-fetch-*",
    "sec-gpc",
    "te",
    "upgrade-insecure-requests",
    "user-agent",
    "x-elastic-client-meta",
    "x-requested-with",
    # es-rerank's own headers.
    "x-rerank-*",
)


def identifies(more: Iterable[str] = ()) -> Callable[[str], bool]:
    """Return a function that returns whether a header, in lower case, may identify the caller to the engine.

    Args:
        more: Further headers that do not, in the form of `ANONYMOUS_HEADERS`, in any case.

    """
    names = [*ANONYMOUS_HEADERS, *(name.lower() for name in more)]
    exact = frozenset(name for name in names if not name.endswith("*"))
    prefixes = tuple(name[:-1] for name in names if name.endswith("*"))
    return lambda name: name not in exact and not name.startswith(prefixes)
