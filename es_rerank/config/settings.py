"""The settings. Command-line flags, environment variables, file keys and the reference are derived from `Settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from es_rerank.config.addresses import NameServer, ServerUrls, StoreUrl
from es_rerank.config.endpoint_settings import EndpointSettings
from es_rerank.config.types import Duration, Lifetime, LongMode, Names, Policy, one_of
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.profiles import PROFILES
from es_rerank.search.scoring import POLICIES


class Settings(EndpointSettings):
    """All settings, each with its name, type, default and description."""

    reranker: ServerUrls = Field(
        ("http://127.0.0.1:8000",),
        description="URL of the rerank server, or comma-separated URLs of several servers with the same model. "
        "`unix:/PATH` is a Unix socket, `dns://NAME:PORT` means all servers at the addresses of a DNS name.",
    )
    dns_server: NameServer | None = Field(
        None,
        description="IP address and port of the DNS server for `dns://`. If not set, es-rerank uses the DNS servers of "
        "the system.",
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
        description="Path or model name of the tokenizer. `auto` uses the model's tokenizer. es-rerank loads the "
        "tokenizer only when it has to truncate texts near the model's context length. Otherwise, and always with "
        "`estimate`, it estimates the number of tokens from the number of characters of each kind.",
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
    max_model_tokens: int | None = Field(
        None,
        ge=256,
        le=131072,
        description="Context length of the model on its server, in tokens. If not set, the context length in the "
        "profile.",
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
        description="Maximum memory for the cache of positions at which long texts are split into passages, in bytes; "
        "about 600 bytes per text. 0 disables the cache.",
    )
    vector_cache_bytes: int = Field(
        256_000_000,
        ge=0,
        description="Maximum memory for the cached vectors of an embedding model, in bytes; about 1 KB per vector of "
        "384 dimensions. Each passage has one vector. 0 disables the cache.",
    )
    shared_cache: StoreUrl | None = Field(
        None,
        description="URL of a Redis or Valkey server in which all processes share scores and vectors: "
        "`redis://HOST:PORT` or, with TLS, `rediss://HOST:PORT`. `redis+cluster://` and `rediss+cluster://` mean a "
        "cluster.",
    )
    shared_cache_username: str | None = Field(None, description="User name for `shared_cache`.")
    shared_cache_password: SecretStr | None = Field(None, description="Password for `shared_cache`.")
    shared_cache_ca: Path | None = Field(
        None, description="PEM file of the CA certificates to trust for `shared_cache`, instead of those of the system."
    )
    shared_cache_ttl: Lifetime = Field(
        86_400.0, validate_default=False, description="Time after which shared scores and vectors expire, at most 365d."
    )
    shared_cache_timeout: Duration = Field(
        0.003,
        validate_default=False,
        description="Maximum time that a search waits for `shared_cache`. The search does not use values that arrive "
        "later.",
    )
    shared_cache_prefix: str = Field(
        "es-rerank",
        description="Prefix of all keys in `shared_cache`. Keys also contain the name of the model. If the weights of "
        "the model change but not its name, set another prefix.",
    )
    reranker_max_requests: int = Field(8, ge=1, description="Maximum number of concurrent requests per rerank server.")
    reranker_max_tokens: int = Field(
        262_144,
        ge=512,
        description="Approximate maximum of tokens in flight per rerank server. A larger request is sent only when no "
        "other request is in flight.",
    )
    reranker_queue_size: int = Field(
        64,
        ge=0,
        description="Maximum number of queued searches. If the queue is full, searches get the engine's order.",
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
    max_header_size: int = Field(
        65_536,
        ge=4096,
        description="Maximum size of the request line and headers together, in bytes. Larger requests are rejected "
        "with a 431.",
    )
    max_answer: int = Field(
        32_000_000,
        ge=1024,
        description="Maximum body of an engine response, in bytes. Larger responses are not reranked. While a worker "
        "process reads a response of 32 MB, its other requests can wait for up to 50 ms.",
    )
    max_memory: int = Field(
        500_000_000,
        ge=1024,
        description="Maximum memory for the request bodies and engine responses of all searches that a worker process "
        "handles at the same time, in bytes. When this limit is reached, further searches are passed through.",
    )
    reload: Literal["signal", "change"] = Field(
        "signal",
        description="When to reload rules and certificate: on SIGHUP (`signal`), or also on a file change (`change`).",
    )
    ubi_log: Path | None = Field(
        None,
        description="File to which es-rerank appends a record of each search that it answers: the query and the ids of "
        "the hits, as in User Behavior Insights (UBI).",
    )
    tracing: bool = Field(
        default=False,
        description="Whether to send traces in OpenTelemetry's format to the collector that the variables "
        "`OTEL_EXPORTER_OTLP_*` name. Needs the extra `es-rerank[otel]`.",
    )
    search_log_level: Literal["debug", "info", "warning", "error"] = Field(
        "debug", description="Level of the log event `search handled`, which is logged for each request with searches."
    )
    slow_search: Duration | None = Field(
        None,
        description="Minimum duration of searches that are logged as `slow search`, at level `warning`; at most 10m.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Minimum level of log events.")
