"""Reads the JSON body of a request to an admin endpoint."""

from __future__ import annotations

from http import HTTPStatus
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from es_rerank.config.yaml_source import dotted, error_text
from es_rerank.server.responses import error_answer

_JSON = "application/json"

Body = TypeVar("Body", bound=BaseModel)


async def read_json(model: type[Body], request: web.Request) -> Body | web.Response:
    """Return the validated body, or an error response that names the invalid member and the problem."""
    if request.content_type != _JSON:
        # Browsers send some other types cross-origin without a preflight request.
        reason = f"[{request.path}] requires the content type {_JSON}"
        return error_answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media_type_header_exception", reason)
    try:
        return model.model_validate_json(await request.read())
    except web.HTTPRequestEntityTooLarge as error:
        return error_answer(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "content_too_long_exception", error.text or "the body is too long"
        )
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{dotted(first['loc']) or 'body'}: {error_text(first, model.model_fields)}"
        return error_answer(HTTPStatus.BAD_REQUEST, "illegal_argument_exception", reason)
