"""The settings: one table, from which flags, environment variables, file keys and the reference are derived.

The layers are merged here and not by pydantic-settings, because an error must name the flag, the variable, or the file
and line that it comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from es_rerank.compat.dialects import DIALECTS
from es_rerank.config import layers, yaml_source
from es_rerank.config.conflicts import conflicts
from es_rerank.config.types import (
    Address,
    AdminListen,
    Duration,
    Fingerprint,
    Listen,
    LongMode,
    Names,
    Policy,
    Urls,
    one_of,
)
from es_rerank.errors import ConfigError
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.profiles import PROFILES
from es_rerank.search.scoring import POLICIES

PREFIX = layers.PREFIX
DURATIONS = ("connect_timeout", "deadline", "drain_delay")


class Settings(BaseModel):
    """All settings of the endpoint, one row each: name, type, default and description."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    listen: Listen = Field("127.0.0.1:9280", description="Address that clients connect to: HOST:PORT or unix:/PATH.")
    admin_listen: AdminListen = Field(
        "127.0.0.1:9281",
        description="Address of the admin pages: HOST:PORT, unix:/PATH, or `shared` to serve them on `listen` to"
        " callers that the engine authenticates.",
    )
    listen_certificate: Path | None = Field(
        None, description="PEM file of the server certificate; if set, `listen` and `admin_listen` use https."
    )
    listen_key: Path | None = Field(None, description="PEM file of the unencrypted key of `listen_certificate`.")
    listen_client_ca: Path | None = Field(
        None, description="PEM file of the CA that signs client certificates; if set, clients must present one."
    )
    workers: int = Field(1, ge=1, le=256, description="Number of worker processes; each has its own caches and limits.")
    proxy_protocol: bool = Field(
        default=False, description="Whether connections to `listen` start with a PROXY protocol header (v1 or v2)."
    )
    forwarded: Literal["pass", "append", "replace"] = Field(
        "pass",
        description="`X-Forwarded-*` headers to the engine: `pass` them unchanged, `append` the client's address, or "
        "`replace` what the client sent.",
    )
    upstream: Urls = Field(
        ("http://127.0.0.1:9200",),
        description="URL of Elasticsearch or OpenSearch; comma-separated URLs for several nodes of one cluster.",
    )
    upstream_ca: Path | None = Field(
        None, description="PEM file of the CA certificates to trust for the engine instead of the system's."
    )
    upstream_verify: bool = Field(default=True, description="Whether the engine's https certificate is verified.")
    upstream_fingerprint: Fingerprint | None = Field(
        None,
        description="SHA-256 fingerprint of the engine's certificate, or of a CA certificate that the engine sends; "
        "verified instead of CA and host name.",
    )
    upstream_certificate: Path | None = Field(
        None, description="PEM file of the client certificate that is presented to the engine."
    )
    upstream_key: Path | None = Field(None, description="PEM file of the unencrypted key of `upstream_certificate`.")
    upstream_api_key: SecretStr | None = Field(
        None, description="Encoded API key for the engine, sent for callers without credentials of their own."
    )
    upstream_username: str | None = Field(
        None, description="User name for the engine, sent for callers without credentials of their own."
    )
    upstream_password: SecretStr | None = Field(None, description="Password of `upstream_username`.")
    aws_region: str | None = Field(
        None, description="AWS region of an Amazon OpenSearch cluster; if set, every request is signed (SigV4)."
    )
    aws_service: Literal["es", "aoss"] = Field(
        "es", description="Service name in the signature: `es` for a domain, `aoss` for a serverless collection."
    )
    # The defaults of durations are numbers of seconds; values that operators write have a unit.
    connect_timeout: Duration = Field(
        5.0, validate_default=False, description="Time to connect to a node of the engine, at most 10m."
    )
    emulate: Annotated[str, one_of(DIALECTS)] = Field(
        "engine",
        description=f"Engine version that clients see; `engine` is the real one. One of: {', '.join(DIALECTS)}.",
    )
    sniff: Literal["pass", "rewrite"] = Field(
        "pass",
        description="Responses to node sniffing (`_nodes/http`): `pass` them unchanged, or `rewrite` the address of "
        "each node to that of this endpoint.",
    )
    publish_address: Address | None = Field(
        None, description="HOST:PORT that `sniff: rewrite` publishes; if not set, the `Host` of the client's request."
    )
    reranker: Urls = Field(
        ("http://127.0.0.1:8000",),
        description="URL of the rerank server; comma-separated URLs for several servers with the same model.",
    )
    reranker_api_key: SecretStr | None = Field(None, description="Bearer token that is sent to the rerank servers.")
    backend: Annotated[str, one_of(BACKENDS)] = Field(
        "vllm", description=f"API of the rerank server. One of: {', '.join(BACKENDS)}."
    )
    profile: Annotated[str, one_of(PROFILES)] = Field(
        "qwen3-reranker-0.6b",
        description=f"Prompt, limits and defaults of the model. One of: {', '.join(PROFILES)}.",
    )
    model: str | None = Field(
        None, description="Model name that is sent to the rerank server; if not set, the profile's."
    )
    tokenizer: str = Field(
        "auto",
        description="Path or model name of the tokenizer; `auto` is the model's, `estimate` counts tokens from bytes.",
    )
    mappings: Path | None = Field(
        None, description="Folder of rule files; if not set, every index is reranked with the default rule."
    )
    window: int = Field(50, ge=2, le=1000, description="Number of hits that the model scores per search, 2 to 1000.")
    deadline: Duration = Field(
        3.0,
        validate_default=False,
        description="Time limit of a search, at most 10m; after it the engine's order is returned.",
    )
    policy: Policy = Field(
        "replace", description=f"How `_score` is computed from engine and model scores. One of: {', '.join(POLICIES)}."
    )
    long_documents: LongMode = Field(
        "profile",
        description="Texts longer than a passage: `truncate`, `max_passage` (score chunks, the best one counts), or "
        "`profile` for the profile's default.",
    )
    max_passage_tokens: int | None = Field(
        None, ge=16, le=32768, description="Maximum tokens of a passage, 16 to 32768; if not set, the profile's."
    )
    max_search_tokens: int = Field(65536, ge=512, description="Maximum tokens that the model reads per search.")
    instruction: str | None = Field(
        None, description="Instruction for models that take one; if not set, the profile's."
    )
    self_test: bool = Field(
        default=True, description="Whether a rerank server must rank known pairs correctly before its scores are used."
    )
    inference_ids: Names = Field(
        (),
        description="Comma-separated ids of `_inference/rerank/{id}` that are served by the reranker, not the engine.",
    )
    score_cache_size: int = Field(
        100_000, ge=0, description="Maximum number of cached scores, about 150 bytes each; 0 turns the cache off."
    )
    reranker_max_requests: int = Field(8, ge=1, description="Maximum concurrent requests per rerank server.")
    reranker_max_tokens: int = Field(
        262_144,
        ge=512,
        description="Approximate maximum tokens in flight per server; a larger request is sent alone.",
    )
    reranker_queue_size: int = Field(
        64, ge=0, description="Maximum queued searches; when the queue is full, searches get the engine's order."
    )
    drain_delay: Duration | None = Field(
        None,
        description="Time after SIGTERM, at most 10m, in which requests are accepted while readiness returns 503.",
    )
    max_body: int = Field(
        10_000_000, ge=1024, description="Maximum bytes of a search request that is reranked; others pass through."
    )
    max_answer: int = Field(
        100_000_000,
        ge=1024,
        description="Maximum bytes of an engine response that is reranked; others pass through.",
    )
    reload: Literal["signal", "change"] = Field(
        "signal", description="When rules and `listen_certificate` are reloaded: on SIGHUP, or also on a file `change`."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Minimum level of log events.")


def load(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None) -> Settings:
    """Merge the layers into settings: flags override variables, variables the file, the file the defaults.

    Args:
        flags: Values by setting; None means that the flag was not used.
        environment: All environment variables.
        file: YAML file of settings.

    Raises:
        ConfigError: One line per error, which names the flag, the variable, or file and line.

    """
    found = [layers.from_flags(flags), layers.from_environment(environment, Settings.model_fields)]
    if file:
        found.append(layers.from_file(file))
    merged: dict[str, Any] = {}
    names: dict[str, str] = {}
    for layer in reversed(found):
        merged |= layer.values
        names |= layer.names
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        errors = [(str(one["loc"][0]), yaml_source.error_text(one["msg"], one["type"])) for one in error.errors()]
        raise ConfigError(_lines(errors, names)) from error
    if wrong := conflicts(settings.model_dump(), settings.model_dump(exclude_defaults=True), settings.model_fields_set):
        raise ConfigError(_lines(wrong, names))
    return settings


def _lines(errors: Sequence[tuple[str, str]], names: Mapping[str, str]) -> str:
    """Write one line per error, which names the source of the setting."""
    return "\n".join(f"{names.get(name, name)}: {text}" for name, text in errors)


def in_force(settings: Settings) -> dict[str, Any]:
    """Return the settings as JSON values in the order of the table, with secrets masked and durations with a unit."""
    shown = settings.model_dump(mode="json")
    for name in DURATIONS:
        shown[name] = None if shown[name] is None else f"{getattr(settings, name):g}s"
    return shown
