"""Both sides of TLS, with certificates made for the test."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import trustme
from aiohttp import web

from es_rerank.config.settings import Settings
from es_rerank.engine_client.client import EngineClient
from es_rerank.errors import ConfigError, UpstreamError
from es_rerank.net.messages import OutgoingRequest
from es_rerank.net.tls import client_context, server_context
from es_rerank.server.app import runner
from es_rerank.server.listen.site import listen
from es_rerank.server.listen.sockets import Sockets, bind
from es_rerank.testing import fake_settings, running_endpoint

AUTHORITY = trustme.CA()
STRANGER = trustme.CA()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the CA, a certificate of 127.0.0.1, and one of a client."""
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    STRANGER.cert_pem.write_to_path(tmp_path / "stranger.pem")
    for name, made in (("server", AUTHORITY.issue_cert("127.0.0.1")), ("client", AUTHORITY.issue_cert("me@here"))):
        made.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        made.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    return tmp_path


def sha256(path: Path) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(path.read_text())).hexdigest()


@asynccontextmanager
async def engine(files: Path, *, asks: bool = False, sends_authority: bool = False) -> AsyncIterator[str]:
    """Run an https server; `asks`: for a certificate of its clients."""
    chain = files / "chain.pem"
    chain.write_text((files / "server.pem").read_text() + (files / "ca.pem").read_text() * sends_authority)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, files / "server.key")
    if asks:
        context.load_verify_locations(files / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED

    async def handle(_: web.BaseRequest) -> web.Response:
        return web.Response(text="ok")

    running = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await running.setup()
    await web.TCPSite(running, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"https://127.0.0.1:{running.addresses[0][1]}"
    finally:
        await running.cleanup()


async def reached(url: str, **more: object) -> bool:
    upstream = EngineClient(fake_settings(upstream=url, **more))
    try:
        async with upstream.open(OutgoingRequest("GET", "/")) as answer:
            return answer.status == 200
    except UpstreamError:
        return False
    finally:
        await upstream.close()


async def test_an_authority_is_demanded_unless_told_otherwise(files: Path) -> None:
    async with engine(files) as url:
        assert not await reached(url)
        assert await reached(url, upstream_ca=files / "ca.pem")
        assert not await reached(url, upstream_ca=files / "stranger.pem")
        assert await reached(url, upstream_verify=False)


async def test_a_pin_is_on_the_certificate_or_on_an_authority_that_is_sent_with_it(files: Path) -> None:
    async with engine(files) as url:
        assert await reached(url, upstream_fingerprint=sha256(files / "server.pem"))
        assert not await reached(url, upstream_fingerprint=sha256(files / "ca.pem"))
    async with engine(files, sends_authority=True) as url:
        assert await reached(url, upstream_fingerprint=sha256(files / "ca.pem"))
        assert not await reached(url, upstream_fingerprint=sha256(files / "stranger.pem"))


async def test_a_pinned_engine_that_is_not_there_is_said_without_its_address() -> None:
    upstream = EngineClient(fake_settings(upstream="https://127.0.0.1:9", upstream_fingerprint="ab" * 32))
    with pytest.raises(UpstreamError) as caught:
        async with upstream.open(OutgoingRequest("GET", "/")):
            pass
    await upstream.close()
    assert str(caught.value) == "the engine cannot be reached: no TLS connection came about to see its certificate"


async def test_to_send_the_pinned_authority_along_is_not_to_be_signed_by_it(files: Path) -> None:
    """Anybody can send a CA's certificate, which is public; the pin must not be had so cheaply."""
    pinned = sha256(files / "ca.pem")
    impostor = STRANGER.issue_cert("127.0.0.1")
    impostor.private_key_pem.write_to_path(files / "server.key")
    impostor.cert_chain_pems[0].write_to_path(files / "server.pem")
    async with engine(files, sends_authority=True) as url:
        assert not await reached(url, upstream_fingerprint=pinned)


async def test_a_client_certificate_is_shown_to_the_engine(files: Path) -> None:
    own = {"upstream_certificate": files / "client.pem", "upstream_key": files / "client.key"}
    async with engine(files, asks=True) as url:
        assert not await reached(url, upstream_ca=files / "ca.pem")
        assert await reached(url, upstream_ca=files / "ca.pem", **own)
        assert await reached(url, upstream_fingerprint=sha256(files / "server.pem"), **own)


async def answered(url: str, context: ssl.SSLContext) -> bool:
    """Tell whether somebody answers at all; there is no engine."""
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(f"{url}/_rerank/health/live", ssl=context) as answer:
                return answer.status in {200, 502}
        except aiohttp.ClientError:
            return False


async def test_the_endpoint_listens_with_https_and_may_demand_certificates_of_its_clients(files: Path) -> None:
    trusting = ssl.create_default_context(cafile=files / "ca.pem")
    known = ssl.create_default_context(cafile=files / "ca.pem")
    known.load_cert_chain(files / "client.pem", files / "client.key")
    shown = {"listen_certificate": files / "server.pem", "listen_key": files / "server.key"}
    async with running_endpoint(fake_settings(**shown)) as proxy:
        assert proxy.url.startswith("https://")
        assert [await answered(url, trusting) for url in (proxy.url, proxy.own)] == [True, True]
    async with running_endpoint(fake_settings(**shown, listen_client_ca=files / "ca.pem")) as proxy:
        assert [await answered(url, trusting) for url in (proxy.url, proxy.own)] == [False, False]
        assert [await answered(url, known) for url in (proxy.url, proxy.own)] == [True, True]


async def test_a_renewed_certificate_is_shown_to_those_who_connect_from_then_on(files: Path) -> None:
    chosen = fake_settings(listen_certificate=files / "server.pem", listen_key=files / "server.key")
    running = runner(chosen)
    await running.setup()
    sites = await listen(running, chosen, Sockets(bind("127.0.0.1:0")))
    trusting = ssl.create_default_context(cafile=files / "ca.pem")
    before = sha256(files / "server.pem")
    assert await shown(sites.names[0], trusting) == before
    made = AUTHORITY.issue_cert("127.0.0.1")
    made.cert_chain_pems[0].write_to_path(files / "server.pem")
    with pytest.raises(ConfigError, match="listen_certificate"):
        sites.renew()
    assert await shown(sites.names[0], trusting) == before
    made.private_key_pem.write_to_path(files / "server.key")
    sites.renew()
    assert await shown(sites.names[0], trusting) == sha256(files / "server.pem") != before
    await running.cleanup()


async def shown(url: str, context: ssl.SSLContext) -> str:
    """Connect and give the fingerprint of the certificate."""
    host, _, port = url.removeprefix("https://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return hashlib.sha256(certificate).hexdigest()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"upstream_ca": "none.pem"}, r"upstream_ca: .*No such file"),
        ({"upstream_certificate": "none.pem", "upstream_key": "none.key"}, r"upstream_certificate: .*No such file"),
        ({"listen_certificate": "server.pem", "listen_key": "ca.pem"}, r"listen_certificate: "),
        (
            {"listen_certificate": "server.pem", "listen_key": "server.key", "listen_client_ca": "server.key"},
            r"listen_client_ca: ",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_by_its_setting(files: Path, given: dict[str, str], words: str) -> None:
    chosen = Settings.model_validate({name: files / value for name, value in given.items()})
    make = client_context if next(iter(given)).startswith("upstream") else server_context
    with pytest.raises(ConfigError, match=words):
        make(chosen)
