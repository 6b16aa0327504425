"""The settings. Command-line flags, environment variables, file keys and the reference are made from `Settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from es_rerank.compat.dialects import DIALECTS
from es_rerank.config.types import (
    Address,
    AdminListen,
    Duration,
    Fingerprint,
    HeaderNames,
    HostPatterns,
    Listen,
    LongMode,
    Names,
    NameServer,
    Policy,
    ServerUrls,
    Urls,
    one_of,
)
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.profiles import PROFILES
from es_rerank.search.scoring import POLICIES


class Settings(BaseModel):
    """All settings of the endpoint, each with its name, type, default and description."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    listen: Listen = Field("127.0.0.1:9280", description="Address that clients connect to: HOST:PORT or unix:/PATH.")
    admin_listen: AdminListen = Field(
        "127.0.0.1:9281",
        description="Address of the admin pages: HOST:PORT, unix:/PATH, or `shared`. If `shared`, es-rerank serves "
        "the pages on `listen`, to callers that the engine authenticates.",
    )
    listen_certificate: Path | None = Field(
        None, description="PEM file of the server certificate. If set, `listen` and `admin_listen` use https."
    )
    listen_key: Path | None = Field(None, description="PEM file of the unencrypted key of `listen_certificate`.")
    listen_client_ca: Path | None = Field(
        None, description="PEM file of the CA that signs client certificates. If set, clients must present one."
    )
    workers: int = Field(
        1, ge=1, le=256, description="Number of worker processes, each with its own caches and limits."
    )
    proxy_protocol: bool = Field(
        default=False, description="Whether connections to `listen` start with a PROXY protocol header (v1 or v2)."
    )
    forwarded: Literal["pass", "append", "replace"] = Field(
        "pass",
        description="`X-Forwarded-*` headers for the engine: `pass` the client's headers, `append` the client's "
        "address to them, or `replace` them.",
    )
    upstream: Urls = Field(
        ("http://127.0.0.1:9200",),
        description="URL of Elasticsearch or OpenSearch, or comma-separated URLs of several nodes of one cluster.",
    )
    upstream_ca: Path | None = Field(
        None, description="PEM file of the CA certificates to trust for the engine, instead of the system's."
    )
    upstream_verify: bool = Field(default=True, description="Whether to verify the engine's https certificate.")
    upstream_fingerprint: Fingerprint | None = Field(
        None,
        description="SHA-256 fingerprint of the engine's certificate, or of a CA certificate that the engine sends. "
        "es-rerank verifies the fingerprint instead of CA and host name.",
    )
    upstream_certificate: Path | None = Field(
        None, description="PEM file of the client certificate that es-rerank presents to the engine."
    )
    upstream_key: Path | None = Field(None, description="PEM file of the unencrypted key of `upstream_certificate`.")
    upstream_api_key: SecretStr | None = Field(
        None, description="Encoded API key that es-rerank sends to the engine for clients that show no identity."
    )
    upstream_username: str | None = Field(
        None, description="User name that es-rerank sends to the engine for clients that show no identity."
    )
    upstream_password: SecretStr | None = Field(None, description="Password of `upstream_username`.")
    anonymous_headers: HeaderNames = Field(
        (),
        description="Comma-separated names of headers that do not identify callers, besides well-known headers. A "
        "client that sends any other header, such as a user name that a gateway adds, gets no credentials of "
        "es-rerank, and mappings are cached for each value of such a header.",
    )
    trusted_hosts: HostPatterns = Field(
        (),
        description="Comma-separated host names, or patterns such as `*.example`, of es-rerank and of web pages that "
        "use it. IP addresses and names without a dot are always names of es-rerank. For other hosts and sites, "
        "es-rerank sends no credentials of its own.",
    )
    aws_region: str | None = Field(
        None,
        description="AWS region of an Amazon OpenSearch cluster. If set, es-rerank signs requests (SigV4) for clients "
        "that show no identity other than a signature.",
    )
    aws_service: Literal["es", "aoss"] = Field(
        "es", description="AWS service name in the signature: `es` for a domain, `aoss` for a serverless collection."
    )
    aws_max_body: int = Field(
        104_857_600,
        ge=1024,
        description="Maximum body of a request that es-rerank signs, in bytes. Each body is buffered on disk until it "
        "has been sent. Amazon OpenSearch accepts at most 100 MiB.",
    )
    # Defaults of durations are in seconds and are not validated, since operators write durations with a unit.
    engine_compression: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether es-rerank asks the engine for compressed responses to searches, if the client accepts "
        "them. `auto` does not ask engines at loopback, private and link-local addresses and at host names without a "
        "dot. Responses to clients are compressed in any case.",
    )
    connect_timeout: Duration = Field(
        5.0, validate_default=False, description="Time limit for connecting to a node of the engine, at most 10m."
    )
    emulate: Annotated[str, one_of(DIALECTS)] = Field(
        "engine",
        description=f"Engine version that clients see; `engine` means the real version. One of: {', '.join(DIALECTS)}.",
    )
    sniff: Literal["pass", "rewrite"] = Field(
        "pass",
        description="Responses to node sniffing (`_nodes/http`): `pass` them unchanged, or `rewrite` the address of "
        "each node to es-rerank's address.",
    )
    publish_address: Address | None = Field(
        None, description="HOST:PORT of es-rerank for `sniff: rewrite`. If not set, the `Host` that the client sent."
    )
    reranker: ServerUrls = Field(
        ("http://127.0.0.1:8000",),
        description="URL of the rerank server, or comma-separated URLs of several servers with the same model. "
        "`dns://NAME:PORT` means all servers at the addresses of a DNS name.",
    )
    dns_server: NameServer | None = Field(
        None, description="IP address and port of the DNS server for `dns://`. If not set, those of the system."
    )
    reranker_api_key: SecretStr | None = Field(None, description="Bearer token that es-rerank sends to rerank servers.")
    backend: Annotated[str, one_of(BACKENDS)] = Field(
        "vllm", description=f"API of the rerank server. One of: {', '.join(BACKENDS)}."
    )
    profile: Annotated[str, one_of(PROFILES)] = Field(
        "qwen3-reranker-0.6b",
        description=f"Prompt, limits and defaults of the model. One of: {', '.join(PROFILES)}.",
    )
    model: str | None = Field(
        None, description="Model name that es-rerank sends to the rerank server. If not set, the profile's model name."
    )
    tokenizer: str = Field(
        "auto",
        description="Path or model name of the tokenizer. `auto` uses the model's tokenizer; `estimate` never loads a "
        "tokenizer. It is loaded when it is needed: only to truncate texts near the model's context length. Otherwise "
        "es-rerank estimates the number of tokens from the number of characters of each kind.",
    )
    mappings: Path | None = Field(
        None, description="Folder of the rule files. If not set, the default rule applies to every index."
    )
    window: int = Field(50, ge=2, le=1000, description="Maximum hits that the model scores per search, 2 to 1000.")
    deadline: Duration = Field(
        3.0,
        validate_default=False,
        description="Time limit of a search, at most 10m. When it has passed, es-rerank returns the engine's order.",
    )
    policy: Policy | None = Field(
        None,
        description=f"How `_score` is computed from engine and model scores. One of: {', '.join(POLICIES)}. If not "
        "set, the profile's policy.",
    )
    long_documents: LongMode = Field(
        "profile",
        description="How to score a text that is longer than a passage: `truncate` the text, use the best score of the "
        "text's chunks (`max_passage`), or use the profile's default (`profile`).",
    )
    max_passage_tokens: int | None = Field(
        None, ge=16, le=32768, description="Maximum tokens per passage, 16 to 32768. If not set, the profile's maximum."
    )
    max_search_tokens: int = Field(65536, ge=512, description="Maximum tokens that the model reads per search.")
    instruction: str | None = Field(
        None, description="Instruction for models that support instructions. If not set, the profile's instruction."
    )
    self_test: bool = Field(
        default=True, description="Whether a rerank server must order known pairs correctly before its scores are used."
    )
    inference_ids: Names = Field(
        (),
        description="Comma-separated ids of `_inference/rerank/{id}` that es-rerank serves instead of the engine.",
    )
    score_cache_size: int = Field(
        100_000, ge=0, description="Maximum number of cached scores, about 150 bytes each; 0 disables the cache."
    )
    cut_cache_bytes: int = Field(
        16_000_000,
        ge=0,
        description="Maximum memory for the cut points of long texts, in bytes; about 600 bytes per text. "
        "0 disables the cache.",
    )
    vector_cache_bytes: int = Field(
        256_000_000,
        ge=0,
        description="Maximum memory of the cached vectors of an embedding model, in bytes; about 1 KB per passage of "
        "384 dimensions. 0 disables the cache.",
    )
    reranker_max_requests: int = Field(8, ge=1, description="Maximum number of concurrent requests per rerank server.")
    reranker_max_tokens: int = Field(
        262_144,
        ge=512,
        description="Approximate maximum of tokens in flight per rerank server. A larger request is sent only when no "
        "other request is in flight.",
    )
    reranker_queue_size: int = Field(
        64, ge=0, description="Maximum queued searches. If the queue is full, further searches get the engine's order."
    )
    drain_delay: Duration | None = Field(
        None,
        description="Time after SIGTERM, at most 10m, in which es-rerank accepts requests while its readiness check "
        "returns 503.",
    )
    max_body: int = Field(
        10_000_000,
        ge=1024,
        description="Maximum body of a search request, in bytes. Larger requests are passed through.",
    )
    max_answer: int = Field(
        100_000_000,
        ge=1024,
        description="Maximum body of an engine response, in bytes. Larger responses are not reranked.",
    )
    max_memory: int = Field(
        500_000_000,
        ge=1024,
        description="Maximum bytes of request bodies and engine responses that a worker process holds at the same "
        "time. When it is reached, further searches are passed through.",
    )
    reload: Literal["signal", "change"] = Field(
        "signal",
        description="When to reload rules and certificate: on SIGHUP (`signal`), or also on a file change (`change`).",
    )
    ubi_log: Path | None = Field(
        None,
        description="File to which es-rerank appends a record of each search that it responds to, with the query text "
        "and the ids of the hits that the client gets.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Minimum level of log events.")
