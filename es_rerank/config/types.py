"""Validated types of settings and rule keys: durations, names, policies. Addresses and URLs are in `addresses`.

Error messages do not contain the invalid value, because they are logged and the value may be a misplaced secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from es_rerank.model import PolicySpec, Protection
from es_rerank.search.scoring import POLICIES

_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m)\s*$")
_MAX_SECONDS = 600.0
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_LIFETIME = re.compile(r"^\s*(\d{1,9})\s*(s|m|h|d)\s*$")
_LIFETIME_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_MAX_LIFETIME = 365 * 86_400.0
_POLICY = re.compile(r"^(\w+)(?:\((\d{1,9}(?:\.\d+)?)\))?$")
# Policies whose parameter is the weight of the model.
_WEIGHTED = frozenset({"linear", "blend"})
_PROTECTION = Protection()
_HEADER_NAME = re.compile(r"^[\w!#$%&'+.^`|~-]+\*?$", re.ASCII)
_HOST_PATTERN = re.compile(r"^[\w.*-]+$")
_SHA256 = re.compile(r"^[0-9a-f]{64}$")


def policy_spec(value: str) -> PolicySpec:
    """Parse a policy such as `linear(0.7)` into its name and parameter. Raises ValueError if it is malformed."""
    match = _POLICY.match(value)
    if not match:
        raise ValueError(value)
    return PolicySpec(match[1], float(match[2]) if match[2] else None)


def one_of(names: Mapping[str, object]) -> AfterValidator:
    """Return a validator that accepts only the keys of *names*."""

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return value

    return AfterValidator(check)


def seconds(value: object) -> float:
    """Convert a duration such as `500ms`, `3s` or `1m` to seconds. Raises ValueError if it is invalid or over 10m."""
    match = _DURATION.match(value) if isinstance(value, str) else None
    duration = float(match[1]) * _UNIT_SECONDS[match[2]] if match else 0.0
    if not 0 < duration <= _MAX_SECONDS:
        raise ValueError("must be a duration of at most 10m with a unit, such as 500ms, 3s or 1m")
    return duration


def duration_text(value: float) -> str:
    """Return a number of seconds in the largest unit in which it is an integer, such as `500ms`, `3s` or `1d`."""
    for unit, size in reversed(_LIFETIME_UNITS.items()):
        if value % size == 0:
            return f"{value / size:g}{unit}"
    return f"{value * 1000:g}ms"


def lifetime(value: object) -> float:
    """Convert a long duration such as `12h` or `7d` to seconds. Raises ValueError if it is invalid or over 365d."""
    match = _LIFETIME.match(value) if isinstance(value, str) else None
    duration = int(match[1]) * _LIFETIME_UNITS[match[2]] if match else 0.0
    if not 0 < duration <= _MAX_LIFETIME:
        raise ValueError("must be a duration of at most 365d with a unit, such as 30m, 12h or 7d")
    return duration


def _policy(value: str) -> str:
    """Validate and return a policy: its name, and a parameter in parentheses if the policy takes a parameter."""
    match = _POLICY.match(value)
    if not match or match[1] not in POLICIES:
        *others, last = (f"{name}({row.parameter:g})" for name, row in POLICIES.items() if row.parameter)
        examples = f"{', '.join(others)} and {last}"
        raise ValueError(f"must be one of {', '.join(POLICIES)}; only {examples} take a parameter")
    spec = policy_spec(value)
    if spec.parameter is not None and not POLICIES[spec.name].parameter:
        raise ValueError(f"{spec.name} takes no parameter")
    if spec.name in _WEIGHTED and not 0 <= (spec.parameter or 0) <= 1:
        raise ValueError(f"the weight of {spec.name} must be between 0 and 1")
    return value


def _fingerprint(value: str) -> str:
    """Validate a SHA-256 fingerprint in hexadecimal, and return it in lower case without colons."""
    digest = value.replace(":", "").lower()
    if not _SHA256.match(digest):
        raise ValueError("must be the SHA-256 fingerprint of a certificate: 64 hexadecimal digits")
    return digest


def comma_separated(value: object) -> object:
    """Return the names in a comma-separated string as a tuple, and any other value unchanged."""
    if isinstance(value, str):
        return tuple(name for part in value.split(",") if (name := part.strip()))
    return value


def _header_names(values: tuple[str, ...]) -> tuple[str, ...]:
    """Validate and return header names, which may end with `*`. The error does not quote them: they may be secrets."""
    if not all(map(_HEADER_NAME.match, values)):
        raise ValueError("must be header names, or starts of header names followed by `*`")
    return values


def _host_patterns(values: tuple[str, ...]) -> tuple[str, ...]:
    """Validate and return host names, in which `*` matches any characters. The error does not quote them."""
    if not all(map(_HOST_PATTERN.match, values)):
        raise ValueError("must be host names, or patterns such as `*.example`")
    return values


def not_empty(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return *values* unchanged. Raises ValueError if there is no value."""
    if not values:
        raise ValueError("must have at least one value")
    return values


class ProtectKeys(BaseModel):
    """The keys of `protect` in a rule file: thresholds for keeping the engine's first hit in first place."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    score_ratio: float = Field(
        _PROTECTION.score_ratio,
        ge=1,
        le=1000,
        description="Lowest ratio of the first hit's engine score to the second's, 1 to 1000.",
    )
    margin: float = Field(
        _PROTECTION.margin,
        ge=0,
        le=1,
        description="The hit is moved nevertheless if another hit's probability is higher by at least this, 0 to 1.",
    )

    def protection(self) -> Protection:
        """Return the thresholds for the rule."""
        return Protection(self.score_ratio, self.margin)


def _protect(value: object) -> object:
    """Return an empty mapping (default thresholds) for `true`, None for `false`, and any other value unchanged."""
    return ({} if value else None) if isinstance(value, bool) else value


Duration = Annotated[float, BeforeValidator(seconds, json_schema_input_type=str)]
Lifetime = Annotated[float, BeforeValidator(lifetime, json_schema_input_type=str)]
Policy = Annotated[str, AfterValidator(_policy)]
Protect = Annotated[ProtectKeys | None, BeforeValidator(_protect, json_schema_input_type=bool | ProtectKeys | None)]
Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
Names = Annotated[tuple[str, ...], BeforeValidator(comma_separated, json_schema_input_type=str | list[str])]
HeaderNames = Annotated[
    tuple[str, ...],
    BeforeValidator(comma_separated, json_schema_input_type=str | list[str]),
    AfterValidator(_header_names),
]
HostPatterns = Annotated[
    tuple[str, ...],
    BeforeValidator(comma_separated, json_schema_input_type=str | list[str]),
    AfterValidator(_host_patterns),
]
LongMode = Literal["profile", "truncate", "max_passage"]
