"""The settings. One row each: name, default, sentence; flags, variables, file keys and docs are derived from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from es_rerank.compat.dialects import DIALECTS
from es_rerank.config import yaml_source
from es_rerank.config.types import (
    SHARED,
    UNIX,
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
    same_place,
)
from es_rerank.errors import ConfigError
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.profiles import PROFILES
from es_rerank.search.scoring import POLICIES

PREFIX = "ES_RERANK_"
# Variables that are read elsewhere: the settings file itself, and where the demo keeps and fetches its parts.
OTHER_VARIABLES = frozenset({"ES_RERANK_CONFIG", "ES_RERANK_CACHE", "ES_RERANK_MAVEN_REPOSITORY"})


DURATIONS = ("connect_timeout", "deadline", "drain_delay")
# The first needs the second; the first and the second exclude each other.
_TOGETHER = (
    ("listen_certificate", "listen_key"),
    ("listen_key", "listen_certificate"),
    ("listen_client_ca", "listen_certificate"),
    ("upstream_certificate", "upstream_key"),
    ("upstream_key", "upstream_certificate"),
    ("upstream_username", "upstream_password"),
    ("upstream_password", "upstream_username"),
    ("publish_address", "sniff"),
)
_EITHER = (
    ("upstream_username", "upstream_api_key"),
    ("aws_region", "upstream_api_key"),
    ("aws_region", "upstream_username"),
    # The preface stands before the TLS handshake, where no HTTP server reads it.
    ("proxy_protocol", "listen_certificate"),
)


class Settings(BaseModel):
    """All settings of the endpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    listen: Listen = Field("127.0.0.1:9280", description="HOST:PORT that clients connect to, or unix:/PATH.")
    admin_listen: AdminListen = Field(
        "127.0.0.1:9281",
        description="HOST:PORT or unix:/PATH of the own pages, or `shared`: as `listen`, for whom the engine knows.",
    )
    listen_certificate: Path | None = Field(None, description="PEM file of the certificate to listen with https.")
    listen_key: Path | None = Field(None, description="PEM file of its private key.")
    listen_client_ca: Path | None = Field(
        None, description="CA of client certificates; a client without one is not let in."
    )
    workers: int = Field(1, ge=1, le=256, description="Processes that listen; each has its own cache and limits.")
    proxy_protocol: bool = Field(
        default=False, description="Whether each connection starts with the PROXY protocol of a load balancer, v1 or 2."
    )
    forwarded: Literal["pass", "append", "replace"] = Field(
        "pass", description="`X-Forwarded-*`: pass as they came, append the client's address, or replace them by it."
    )
    upstream: Urls = Field(
        ("http://127.0.0.1:9200",),
        description="URL of the Elasticsearch or OpenSearch behind; several nodes of one cluster: a,b,c.",
    )
    upstream_ca: Path | None = Field(None, description="File with the CA certificate of an https upstream.")
    upstream_verify: bool = Field(default=True, description="Whether the certificate of an https upstream is checked.")
    upstream_fingerprint: Fingerprint | None = Field(
        None, description="SHA-256 of the https upstream's certificate, or of a CA it sends with it; checked instead."
    )
    upstream_certificate: Path | None = Field(None, description="PEM file of a client certificate for the upstream.")
    upstream_key: Path | None = Field(None, description="PEM file of its private key.")
    upstream_api_key: SecretStr | None = Field(
        None, description="API key for the upstream, sent where a caller brings no credentials of its own."
    )
    upstream_username: str | None = Field(None, description="User for the upstream, sent where a caller brings none.")
    upstream_password: SecretStr | None = Field(None, description="Password of that user.")
    aws_region: str | None = Field(
        None, description="Region of an Amazon OpenSearch domain: every request is signed anew (SigV4)."
    )
    aws_service: Literal["es", "aoss"] = Field("es", description="`es` is a domain, `aoss` a serverless collection.")
    # Only our own defaults are numbers; whatever is written has its unit.
    connect_timeout: Duration = Field(
        5.0, validate_default=False, description="Time to connect to a node of the upstream before the next."
    )
    emulate: Annotated[str, one_of(DIALECTS)] = Field(
        "engine", description=f"Which engine clients see, whatever is behind: {', '.join(DIALECTS)}."
    )
    sniff: Literal["pass", "rewrite"] = Field(
        "pass", description="`rewrite` names this endpoint to clients that look for nodes (`_nodes/http`)."
    )
    publish_address: Address | None = Field(
        None, description="HOST:PORT named to them; else what the client connected to."
    )
    reranker: Urls = Field(
        ("http://127.0.0.1:8000",), description="URL of the rerank server; several with the same model: a,b,c."
    )
    reranker_api_key: SecretStr | None = Field(None, description="Bearer token for the rerank servers.")
    backend: Annotated[str, one_of(BACKENDS)] = Field(
        "vllm", description=f"Wire dialect of the rerank server: {', '.join(BACKENDS)}."
    )
    profile: Annotated[str, one_of(PROFILES)] = Field(
        "qwen3-reranker-0.6b", description=f"How the model must be asked: {', '.join(PROFILES)}."
    )
    model: str | None = Field(None, description="Name of the model at the rerank server; else the profile's.")
    tokenizer: str = Field(
        "auto", description="tokenizer.json, its folder or a model's name; `auto` is the model's, `estimate` guesses."
    )
    mappings: Path | None = Field(None, description="Folder of rules; without one every index is reranked.")
    window: int = Field(50, ge=2, le=1000, description="How many hits the model reads.")
    deadline: Duration = Field(
        3.0, validate_default=False, description="Time for a whole search; over it, the engine's order is given."
    )
    policy: Policy = Field("replace", description=f"How scores are shown: {', '.join(POLICIES)}.")
    long_documents: LongMode = Field("profile", description="profile, truncate, or max_passage: the best part counts.")
    max_passage_tokens: int | None = Field(
        None, ge=16, le=32768, description="Tokens of one passage; else the profile's."
    )
    max_search_tokens: int = Field(65536, ge=512, description="Tokens that one search may cost the model.")
    instruction: str | None = Field(None, description="Task given to models that take one; else the profile's.")
    self_test: bool = Field(default=True, description="Whether known pairs must come out in order first.")
    inference_ids: Names = Field((), description="Ids of `_inference/rerank/{id}` that the reranker answers; a,b,c.")
    score_cache_size: int = Field(100_000, ge=0, description="Scores of pairs to remember, about 150 bytes each.")
    reranker_max_requests: int = Field(8, ge=1, description="Requests at a rerank server at a time.")
    reranker_max_tokens: int = Field(
        262_144, ge=512, description="Tokens at a rerank server at a time, about; a larger request goes alone."
    )
    reranker_queue_size: int = Field(
        64, ge=0, description="Searches that may wait for the rerank servers; over it, engine's order."
    )
    drain_delay: Duration | None = Field(
        None, description="Time after SIGTERM in which requests are still taken, while readiness says 503."
    )
    max_body: int = Field(10_000_000, ge=1024, description="Bytes of a search request that is still planned.")
    max_answer: int = Field(100_000_000, ge=1024, description="Bytes of an engine's answer that is still rewritten.")
    reload: Literal["signal", "change"] = Field(
        "signal", description="When rules and certificate are read anew: on SIGHUP, or also when a file has changed."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")


@dataclass(frozen=True, slots=True)
class Source:
    """Settings from one place; `names` says where each stands there, for complaints."""

    values: Mapping[str, Any]
    names: Mapping[str, str]


def load(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None) -> Settings:
    """Build the settings: flags stand above variables, those above the file, that above the defaults.

    Raises ConfigError with one line a fault, each naming the flag, the variable, or file and line.
    """
    sources = [_from_flags(flags), _from_environment(environment), *([_from_file(file)] if file else [])]
    merged: dict[str, Any] = {}
    names: dict[str, str] = {}
    for source in reversed(sources):
        merged |= source.values
        names |= source.names
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        faults = [(str(one["loc"][0]), yaml_source.plain(one["msg"], one["type"])) for one in error.errors()]
        raise ConfigError(_told(faults, names)) from error
    if wrong := _crossed(settings):
        raise ConfigError(_told(wrong, names))
    return settings


def _told(faults: Sequence[tuple[str, str]], names: Mapping[str, str]) -> str:
    """Write one line a fault, each naming the place of its setting."""
    return "\n".join(f"{names.get(name, name)}: {words}" for name, words in faults)


def in_force(settings: Settings) -> dict[str, Any]:
    """Show the settings with secrets hidden, as plain values in the order of the table."""
    shown = settings.model_dump(mode="json")
    for name in DURATIONS:
        shown[name] = None if shown[name] is None else f"{getattr(settings, name):g}s"
    return shown


def _crossed(settings: Settings) -> list[tuple[str, str]]:
    """List the settings that do not go together: name and complaint."""
    given = settings.model_dump(exclude_defaults=True)
    alone = [(one, f"needs {other} beside it") for one, other in _TOGETHER if one in given and other not in given]
    both = [(one, f"cannot stand beside {other}") for one, other in _EITHER if one in given and other in given]
    many = [("aws_region", "takes one upstream")] if settings.aws_region and len(settings.upstream) > 1 else []
    return alone + both + many + _addresses(settings)


def _addresses(settings: Settings) -> list[tuple[str, str]]:
    """List what is wrong with the two addresses to listen on."""
    listen, pages = settings.listen, settings.admin_listen
    if pages == SHARED:
        certified = settings.upstream_certificate is not None
        # The engine would take it for the caller's.
        return [("admin_listen", "`shared` cannot stand beside upstream_certificate")] if certified else []
    if listen.startswith(UNIX) and "admin_listen" not in settings.model_fields_set:
        return [("listen", "a socket needs admin_listen beside it, or each user of this machine reaches the engine")]
    wrong = [("admin_listen", "needs another port or path than listen; `shared` is for one")]
    return wrong if same_place(listen, pages) else []


def _from_flags(flags: Mapping[str, Any]) -> Source:
    """Take the flags that were given."""
    given = {name: value for name, value in flags.items() if value is not None}
    return Source(given, {name: "--" + name.replace("_", "-") for name in given})


def _from_environment(environment: Mapping[str, str]) -> Source:
    """Take `ES_RERANK_*`. Raises ConfigError for a name that is no setting: a slip would else go unseen."""
    mine = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    unknown = [name for name in mine if _setting(name) not in Settings.model_fields and name not in OTHER_VARIABLES]
    if unknown:
        raise ConfigError("\n".join(f"{name}: unknown variable" for name in sorted(unknown)))
    values = {_setting(name): value for name, value in mine.items() if name not in OTHER_VARIABLES}
    return Source(values, {name: PREFIX + name.upper() for name in values})


def _setting(variable: str) -> str:
    """Name the setting of a variable."""
    return variable.removeprefix(PREFIX).lower()


def _from_file(path: Path) -> Source:
    """Take the keys of a YAML file."""
    file = yaml_source.load(path)
    return Source(dict(file.data), {str(name): f"{file.where((name,))}: {name}" for name in file.data})
