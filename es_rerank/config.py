"""The settings. One row each: name, default, sentence; flags, variables, file keys and docs are derived from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from es_rerank import yamlfile
from es_rerank.errors import ConfigError
from es_rerank.model import PolicySpec
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.profiles import PROFILES
from es_rerank.search.policy import POLICIES

PREFIX = "ES_RERANK_"
# Variables that are read elsewhere: the settings file itself, and where the demo keeps and fetches its parts.
OTHER_VARIABLES = frozenset({"ES_RERANK_CONFIG", "ES_RERANK_CACHE", "ES_RERANK_MAVEN_REPOSITORY"})

_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m)\s*$")
_LONGEST = 600.0
_LAST_PORT = 65535
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_LISTEN = re.compile(r"^(\[[0-9a-fA-F:.]+\]|[^:\s]+):(\d{1,5})$")
_POLICY = re.compile(r"^(\w+)(?:\((\d+(?:\.\d+)?)\))?$")


def _seconds(value: object) -> float:
    """Read a duration such as `500ms`, `3s` or `1m`."""
    found = _DURATION.match(value) if isinstance(value, str) else None
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 0 < seconds <= _LONGEST:
        raise ValueError(f"{value!r} is no duration up to 10m; write it with its unit, as in 500ms, 3s or 1m")
    return seconds


def _written_seconds(value: object) -> object:
    """Take a duration as written, or as the seconds it was read into."""
    return value if isinstance(value, float) else _seconds(value)


def _listen(value: str) -> str:
    """Check HOST:PORT."""
    found = _LISTEN.match(value)
    if not found or int(found[2]) > _LAST_PORT:
        raise ValueError(f"{value!r} is not HOST:PORT, as in 127.0.0.1:9280")
    return value


def _url(value: str) -> str:
    """Check an http(s) URL without query."""
    parts = urlsplit(value)
    wrong = parts.query or parts.fragment or parts.port == 0
    if parts.scheme not in {"http", "https"} or not parts.hostname or wrong:
        raise ValueError(f"{_without_password(value)!r} is not a URL such as http://127.0.0.1:9200")
    if parts.username is not None:
        raise ValueError(f"{_without_password(value)!r} carries credentials: the engine gets those of each caller")
    return value.rstrip("/")


def _without_password(url: str) -> str:
    """Hide the user part of a URL."""
    return re.sub(r"//[^/@]*@", "//***@", url)


def _one_of(names: Mapping[str, object]) -> AfterValidator:
    """Make a check for the rows of a table."""

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"{value!r} is none of {', '.join(names)}")
        return value

    return AfterValidator(check)


def _policy(value: str) -> str:
    """Check a policy: a row of the table, with its parameter in parentheses where it takes one."""
    found = _POLICY.match(value)
    if not found or found[1] not in POLICIES:
        raise ValueError(f"{value!r} is none of {', '.join(POLICIES)}; linear(0.7) and rrf(60) take a number")
    spec = policy_spec(value)
    if spec.parameter is not None and spec.name not in {"linear", "rrf"}:
        raise ValueError(f"{spec.name} takes no number")
    if spec.name == "linear" and not 0 <= (spec.parameter or 0) <= 1:
        raise ValueError("the weight of linear lies between 0 and 1")
    return value


def policy_spec(value: str) -> PolicySpec:
    """Read `replace` or `linear(0.7)` into a row and its parameter."""
    found = _POLICY.match(value)
    if not found:
        raise ValueError(value)
    return PolicySpec(found[1], float(found[2]) if found[2] else None)


def _names(value: object) -> object:
    """Take names joined by commas for a list of them."""
    if isinstance(value, str):
        return tuple(name for part in value.split(",") if (name := part.strip()))
    return value


Duration = Annotated[float, BeforeValidator(_written_seconds, json_schema_input_type=str)]
Url = Annotated[str, AfterValidator(_url)]
Policy = Annotated[str, AfterValidator(_policy)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names, json_schema_input_type=str | list[str])]
LongMode = Literal["profile", "truncate", "max_passage"]


class Settings(BaseModel):
    """All settings of the endpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    listen: Annotated[str, AfterValidator(_listen)] = Field(
        "127.0.0.1:9280", description="HOST:PORT that clients connect to."
    )
    upstream: Url = Field("http://127.0.0.1:9200", description="URL of the Elasticsearch or OpenSearch behind.")
    upstream_ca: Path | None = Field(None, description="File with the CA certificate of an https upstream.")
    upstream_verify: bool = Field(default=True, description="Whether the certificate of an https upstream is checked.")
    reranker: Url = Field("http://127.0.0.1:8000", description="URL of the rerank server.")
    reranker_api_key: SecretStr | None = Field(None, description="Bearer token for the rerank server.")
    backend: Annotated[str, _one_of(BACKENDS)] = Field(
        "vllm", description=f"Wire dialect of the rerank server: {', '.join(BACKENDS)}."
    )
    profile: Annotated[str, _one_of(PROFILES)] = Field(
        "qwen3-reranker-0.6b", description=f"How the model must be asked: {', '.join(PROFILES)}."
    )
    model: str | None = Field(None, description="Name of the model at the rerank server; else the profile's.")
    tokenizer: str = Field(
        "auto", description="tokenizer.json, its folder or a model's name; `auto` is the model's, `estimate` guesses."
    )
    mappings: Path | None = Field(None, description="Folder of rules; without one every index is reranked.")
    window: int = Field(50, ge=2, le=1000, description="How many hits the model reads.")
    deadline: Duration = Field(3.0, description="Time for a whole search; over it, the engine's order is given.")
    policy: Policy = Field("replace", description=f"How scores are shown: {', '.join(POLICIES)}.")
    long_documents: LongMode = Field("profile", description="profile, truncate, or max_passage: the best part counts.")
    passage_tokens: int | None = Field(None, ge=16, le=32768, description="Tokens of one passage; else the profile's.")
    search_tokens: int = Field(65536, ge=512, description="Tokens that one search may cost the model.")
    instruction: str | None = Field(None, description="Task given to models that take one; else the profile's.")
    self_test: bool = Field(default=True, description="Whether known pairs must come out in order first.")
    inference_ids: Names = Field((), description="Ids of `_inference/rerank/{id}` that the reranker answers; a,b,c.")
    cache_pairs: int = Field(100_000, ge=0, description="Scores of pairs to remember, about 150 bytes each.")
    concurrency: int = Field(8, ge=1, description="Requests at the rerank server at a time.")
    queue: int = Field(64, ge=0, description="Searches that may wait for the rerank server; over it, engine's order.")
    max_body: int = Field(10_000_000, ge=1024, description="Bytes of a search request that is still planned.")
    max_answer: int = Field(100_000_000, ge=1024, description="Bytes of an engine's answer that is still rewritten.")
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
        return Settings.model_validate(merged)
    except ValidationError as error:
        faults = [
            f"{names.get(str(one['loc'][0]), one['loc'][0])}: {yamlfile.plain(one['msg'], one['type'])}"
            for one in error.errors()
        ]
        raise ConfigError("\n".join(faults)) from error


def in_force(settings: Settings) -> dict[str, Any]:
    """Show the settings with secrets hidden, as plain values in the order of the table."""
    shown = settings.model_dump(mode="json")
    shown["deadline"] = f"{settings.deadline:g}s"
    return shown


def host_and_port(settings: Settings) -> tuple[str, int]:
    """Split `listen`; an IPv6 host loses its brackets."""
    host, _, port = settings.listen.rpartition(":")
    return host.strip("[]"), int(port)


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
    file = yamlfile.load(path)
    return Source(dict(file.data), {str(name): f"{file.where((name,))}: {name}" for name in file.data})
