"""The request headers that do not identify a caller: of clients, browsers, tracing systems, proxies and CDNs.

Any other header may identify the caller, such as a header with the user or the role that a proxy adds. If a request has
such a header, es-rerank's own credentials are not used, and mappings are cached for each value of the header.
The setting `anonymous_headers` adds to this list.
"""

from __future__ import annotations

from collections.abc import Iterable


def split(names: Iterable[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the exact names and the prefixes in lower case. Names that end with `*` are prefixes."""
    listed = [name.lower() for name in names]
    starts = tuple(name[:-1] for name in listed if name.endswith("*"))
    return frozenset(name for name in listed if not name.endswith("*")), starts


ANONYMOUS_HEADERS, ANONYMOUS_PREFIXES = split(
    """
    accept accept-charset accept-encoding accept-language access-control-request-headers
    access-control-request-method akamai-origin-hop b3 baggage cache-control cdn-loop cf-connecting-ip
    cf-connecting-ipv6 cf-ew-via cf-ipcountry cf-ray cf-visitor cloudfront-forwarded-proto cloudfront-is-*
    cloudfront-viewer-* connection content-encoding content-language content-length content-type correlation-id date
    dnt elastic-apm-traceparent ep-search-term expect fastly-client-ip fastly-ff fastly-ssl forwarded grpc-trace-bin
    host http2-settings idempotency-key if-match if-modified-since if-none-match if-range if-unmodified-since
    jaeger-baggage jaeger-debug-id kbn-version kbn-xsrf keep-alive max-forwards newrelic origin osd-version osd-xsrf
    ot-tracer-* pragma priority proxy-connection purpose range referer request-context request-id sec-ch-*
    sec-fetch-* sec-gpc sentry-trace te traceparent tracestate trailer transfer-encoding true-client-ip
    uber-trace-id uberctx-* upgrade upgrade-insecure-requests user-agent via warning x-akamai-edgescape
    x-akamai-request-id x-amz-cf-id x-amzn-trace-id x-appengine-request-* x-azure-clientip x-azure-ref
    x-azure-requestchain x-azure-socketip x-b3-* x-client-ip x-client-trace-id x-cloud-trace-context
    x-cluster-client-ip x-correlation-id x-datadog-* x-dynatrace* x-elastic-client-meta x-elastic-product-origin
    x-envoy-attempt-count x-envoy-decorator-operation x-envoy-expected-rq-timeout-ms x-envoy-external-address
    x-envoy-internal x-envoy-original-path x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-prefix
    x-forwarded-proto x-forwarded-scheme x-forwarded-server x-honeycomb-trace x-http-method-override x-instana-*
    x-ms-client-request-id x-ms-correlation-request-id x-ms-request-id x-newrelic-id x-newrelic-synthetics
    x-newrelic-transaction x-nf-request-id x-opaque-id x-opensearch-product-origin x-original-forwarded-for
    x-ot-span-context x-proxyuser-ip x-queue-start x-real-ip x-request-id
    x-request-start x-requested-with x-requestid x-rerank-* x-scheme x-span-id x-timer x-trace-id x-transaction-id
    x-varnish x-vercel-id x-wavefront-*
    """.split()  # noqa: SIM905 - a hundred quotes are harder to read
)
