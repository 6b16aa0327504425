"""The HTTP side of the reranker: one request, one answer, foreign exceptions turned into values."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus

import aiohttp
import msgspec

from es_rerank.config.settings import Settings
from es_rerank.model import Failed, Why
from es_rerank.net.connection_errors import describe_error
from es_rerank.net.content_encoding import limited
from es_rerank.rerank.backends import Backend, BadAnswerError, Question
from es_rerank.rerank_client.redact import quoted

# How servers refuse a prompt over the model's length.
_REFUSES_LENGTH = frozenset({400, 413, 422})
_TOO_LONG = (b"input_tokens", b"input_text", b"maximum context length", b"max_model_len", b"too long", b"input length")
_LOOKED_AT = 300
# uvicorn, and so vLLM, closes a connection that is idle for five seconds.
_KEPT_SECONDS = 4.0
_MOST_BYTES = 64 * 1024 * 1024


class Transport:
    """A connection pool to one rerank server."""

    def __init__(self, settings: Settings, url: str, backend: Backend) -> None:
        """Prepare to ask *backend* at *url* with the key of *settings*."""
        self._url = url + backend.path
        self._backend = backend
        key = settings.reranker_api_key
        self._key = key.get_secret_value() if key else ""
        self._headers = {"Authorization": f"Bearer {self._key}"} if key else {}
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()

    async def ask(self, question: Question, deadline: float) -> list[float] | Failed:
        """Ask for raw scores in the order of the texts by *deadline* (monotonic seconds)."""
        seconds = deadline - time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(question)
        except TimeoutError:
            return Failed(Why.DEADLINE, f"no answer within {seconds:.1f} s")
        except (BadAnswerError, msgspec.MsgspecError) as error:
            return Failed(Why.BAD_ANSWER, str(error))
        except (aiohttp.ClientConnectionError, OSError) as error:
            return Failed(Why.UNREACHABLE, describe_error(error))
        except aiohttp.ClientError as error:
            # Its own words quote what came, which may repeat what was sent, and name the server.
            return Failed(Why.BAD_ANSWER, describe_error(error))
        except (ValueError, RecursionError):
            return Failed(Why.BAD_ANSWER, "the answer cannot be read")

    async def _exchange(self, question: Question) -> list[float] | Failed:
        """Ask, and once more where the server closed a connection that was kept: to score twice does no harm."""
        body = msgspec.json.encode(self._backend.encode(question))
        try:
            return await self._sent(question, body)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError):
            return await self._sent(question, body)

    async def _sent(self, question: Question, body: bytes) -> list[float] | Failed:
        """Send one request and read its scores."""
        async with self._pool().post(self._url, data=body, allow_redirects=False) as answer:
            text, _ = await limited(answer.content.iter_any(), _MOST_BYTES)
            if text is None:
                raise BadAnswerError(f"the answer is longer than {_MOST_BYTES} bytes")
            if answer.status != HTTPStatus.OK:
                return _refusal(answer.status, text, quoted(text, [question.query, *question.texts], self._key))
            return self._backend.decode(msgspec.json.decode(text), len(question.texts))

    def _pool(self) -> aiohttp.ClientSession:
        """Open the pool at the first request, inside the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={"Content-Type": "application/json", **self._headers},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _refusal(status: int, text: bytes, said: str) -> Failed:
    """Classify an answer that is an error; *said* is what may be told of its *text*."""
    if status in _REFUSES_LENGTH and any(words in text[:_LOOKED_AT] for words in _TOO_LONG):
        return Failed(Why.TOO_LONG, said)
    server = Why.RERANKER_ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Why.REFUSED
    why = Why.OVERLOADED if status == HTTPStatus.TOO_MANY_REQUESTS else server
    return Failed(why, f"HTTP {status}: {said}")
