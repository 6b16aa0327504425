"""TLS towards clients and towards the engine, with certificates made for the test."""

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
from es_rerank.net.tls import EngineTrust, client_context, server_context
from es_rerank.server.app import runner
from es_rerank.server.listen.site import listen
from es_rerank.server.listen.sockets import Sockets, bind
from es_rerank.testing import fake_settings, running_endpoint

CA = trustme.CA()
OTHER_CA = trustme.CA()
RSA, ECDSA = trustme.KeyType.RSA, trustme.KeyType.ECDSA


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the CA, a certificate of 127.0.0.1, and one of a client."""
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    OTHER_CA.cert_pem.write_to_path(tmp_path / "other.pem")
    for name, made in (("server", CA.issue_cert("127.0.0.1")), ("client", CA.issue_cert("me@here"))):
        made.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        made.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    return tmp_path


def sha256(path: Path) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(path.read_text())).hexdigest()


@asynccontextmanager
async def engine(files: Path, *, requires_client: bool = False, sends_ca: bool = False) -> AsyncIterator[str]:
    """Run an https server, which may require client certificates and send the CA's certificate."""
    chain = files / "chain.pem"
    chain.write_text((files / "server.pem").read_text() + (files / "ca.pem").read_text() * sends_ca)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, files / "server.key")
    if requires_client:
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
    client = EngineClient(fake_settings(upstream=url, **more))
    try:
        return await is_answered(client)
    finally:
        await client.close()


async def is_answered(client: EngineClient) -> bool:
    try:
        async with client.open(OutgoingRequest("GET", "/")) as answer:
            return answer.status == 200
    except UpstreamError:
        return False


async def test_the_engines_certificate_must_be_signed_by_a_trusted_ca_unless_verification_is_off(files: Path) -> None:
    async with engine(files) as url:
        assert not await reached(url)
        assert await reached(url, upstream_ca=files / "ca.pem")
        assert not await reached(url, upstream_ca=files / "other.pem")
        assert await reached(url, upstream_verify=False)


async def test_a_fingerprint_pins_the_certificate_or_a_ca_that_is_sent_with_it(files: Path) -> None:
    async with engine(files) as url:
        assert await reached(url, upstream_fingerprint=sha256(files / "server.pem"))
        assert not await reached(url, upstream_fingerprint=sha256(files / "ca.pem"))
    async with engine(files, sends_ca=True) as url:
        assert await reached(url, upstream_fingerprint=sha256(files / "ca.pem"))
        assert not await reached(url, upstream_fingerprint=sha256(files / "other.pem"))


async def test_an_unreachable_pinned_engine_is_reported_without_its_address() -> None:
    client = EngineClient(fake_settings(upstream="https://127.0.0.1:9", upstream_fingerprint="ab" * 32))
    with pytest.raises(UpstreamError) as caught:
        async with client.open(OutgoingRequest("GET", "/")):
            pass
    await client.close()
    assert str(caught.value) == "the engine cannot be reached: the TLS handshake that reads its certificate failed"


async def test_the_handshake_that_reads_the_pinned_certificate_times_out() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with asyncio.timeout(5), await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert not await reached(url, upstream_fingerprint="ab" * 32, connect_timeout="50ms")


async def test_the_pinned_certificate_is_read_once(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with engine(files) as url:
        trust = EngineTrust(fake_settings(upstream=url, upstream_fingerprint=sha256(files / "server.pem")))
        context = await trust.context(url)
        monkeypatch.setattr(asyncio, "open_connection", None)
        assert await trust.context(url) is context
    assert context.verify_mode is ssl.CERT_REQUIRED


def use_certificate(files: Path, ca: trustme.CA) -> None:
    """Give the next server a certificate of its own."""
    made = ca.issue_cert("127.0.0.1")
    made.private_key_pem.write_to_path(files / "server.key")
    made.cert_chain_pems[0].write_to_path(files / "server.pem")


async def test_nodes_have_different_certificates_of_a_pinned_ca(files: Path) -> None:
    async with engine(files, sends_ca=True) as one:
        use_certificate(files, CA)
        async with engine(files, sends_ca=True) as other:
            client = EngineClient(fake_settings(upstream=(one, other), upstream_fingerprint=sha256(files / "ca.pem")))
            for _ in range(4):
                async with client.open(OutgoingRequest("GET", "/")) as answer:
                    assert answer.status == 200
            assert not client._nodes.down
            await client.close()


@pytest.mark.parametrize("first", [0, 1])
async def test_a_node_with_a_certificate_that_is_not_trusted_gets_no_request(files: Path, first: int) -> None:
    pinned = sha256(files / "server.pem")
    async with engine(files) as trusted:
        use_certificate(files, OTHER_CA)
        async with engine(files) as other:
            urls = (trusted, other) if first == 0 else (other, trusted)
            for trust in ({"upstream_ca": files / "ca.pem"}, {"upstream_fingerprint": pinned}):
                client = EngineClient(fake_settings(upstream=urls, **trust))
                for _ in range(4):
                    async with client.open(OutgoingRequest("GET", "/")) as answer:
                        assert answer.status == 200
                assert list(client._nodes.down) == [other]
                await client.close()


async def test_sending_the_pinned_ca_certificate_is_not_enough(files: Path) -> None:
    """A CA certificate is public, so anyone can send it: the server's own must be signed by it."""
    pinned = sha256(files / "ca.pem")
    use_certificate(files, OTHER_CA)
    async with engine(files, sends_ca=True) as url:
        assert not await reached(url, upstream_fingerprint=pinned)


async def test_a_client_certificate_is_presented_to_the_engine(files: Path) -> None:
    own = {"upstream_certificate": files / "client.pem", "upstream_key": files / "client.key"}
    async with engine(files, requires_client=True) as url:
        assert not await reached(url, upstream_ca=files / "ca.pem")
        assert await reached(url, upstream_ca=files / "ca.pem", **own)
        assert await reached(url, upstream_fingerprint=sha256(files / "server.pem"), **own)


def issue(files: Path, ca: trustme.CA) -> None:
    """Write another certificate of the client, which *ca* has signed."""
    made = ca.issue_cert("me@here")
    made.private_key_pem.write_to_path(files / "client.key")
    made.cert_chain_pems[0].write_to_path(files / "client.pem")


@pytest.mark.parametrize("pinned", [False, True])
async def test_the_engine_gets_a_renewed_client_certificate(files: Path, pinned: bool) -> None:
    own = {"upstream_certificate": files / "client.pem", "upstream_key": files / "client.key"}
    trust = {"upstream_fingerprint": sha256(files / "server.pem")} if pinned else {"upstream_ca": files / "ca.pem"}
    issue(files, OTHER_CA)
    async with engine(files, requires_client=True) as url:
        client = EngineClient(fake_settings(upstream=url, **own, **trust))
        try:
            assert not await is_answered(client)
            issue(files, CA)
            use = client.renewal()
            assert not await is_answered(client)
            use()
            assert await is_answered(client)
            (files / "client.pem").write_text("no certificate")
            with pytest.raises(ConfigError, match="upstream_certificate"):
                client.renewal()
            assert await is_answered(client)
        finally:
            await client.close()


async def test_a_renewed_ca_of_the_engine_is_used(files: Path) -> None:
    ca = files / "trusted.pem"
    OTHER_CA.cert_pem.write_to_path(ca)
    async with engine(files) as url:
        client = EngineClient(fake_settings(upstream=url, upstream_ca=ca))
        try:
            assert not await is_answered(client)
            CA.cert_pem.write_to_path(ca)
            client.renewal()()
            assert await is_answered(client)
        finally:
            await client.close()


async def answered(url: str, context: ssl.SSLContext) -> bool:
    """Return whether the endpoint responds at all; there is no engine."""
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(f"{url}/_rerank/health/live", ssl=context) as answer:
                return answer.status in {200, 502}
        except aiohttp.ClientError:
            return False


async def test_the_endpoint_listens_with_https_and_can_require_client_certificates(files: Path) -> None:
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


async def test_new_connections_get_a_renewed_certificate(files: Path) -> None:
    chosen = fake_settings(listen_certificate=files / "server.pem", listen_key=files / "server.key")
    running = runner(chosen)
    await running.setup()
    sites = await listen(running, chosen, Sockets(bind("127.0.0.1:0")))
    trusting = ssl.create_default_context(cafile=files / "ca.pem")
    before = sha256(files / "server.pem")
    assert await shown(sites.names[0], trusting) == before
    made = CA.issue_cert("127.0.0.1")
    made.cert_chain_pems[0].write_to_path(files / "server.pem")
    with pytest.raises(ConfigError, match="listen_certificate"):
        sites.renew()
    assert await shown(sites.names[0], trusting) == before
    made.private_key_pem.write_to_path(files / "server.key")
    sites.renew()
    assert await shown(sites.names[0], trusting) == sha256(files / "server.pem") != before
    await running.cleanup()


@pytest.mark.parametrize("server_name", ["127.0.0.1", "search.example"])
@pytest.mark.parametrize("types", [(RSA, ECDSA, RSA), (ECDSA, RSA, ECDSA), (ECDSA, ECDSA, RSA)], ids=str)
async def test_a_renewed_certificate_of_another_key_type_is_shown(
    files: Path, types: tuple[trustme.KeyType, ...], server_name: str
) -> None:
    """To a client that accepts both types, whether it sends a server name, or none because it knows an address."""
    trusting = ssl.create_default_context(cafile=files / "ca.pem")
    trusting.check_hostname = False
    write(files, types[0])
    chosen = fake_settings(listen_certificate=files / "server.pem", listen_key=files / "server.key")
    running = runner(chosen)
    await running.setup()
    sites = await listen(running, chosen, Sockets(bind("127.0.0.1:0")))
    for number, key_type in enumerate(types):
        if number:
            write(files, key_type)
            sites.renew()
        assert await shown(sites.names[0], trusting, server_name) == sha256(files / "server.pem")
    await running.cleanup()


async def test_a_renewed_ca_of_clients_is_used(files: Path) -> None:
    known = ssl.create_default_context(cafile=files / "ca.pem")
    known.load_cert_chain(files / "client.pem", files / "client.key")
    shown = {"listen_certificate": files / "server.pem", "listen_key": files / "server.key"}
    chosen = fake_settings(**shown, listen_client_ca=files / "clients.pem")
    (files / "clients.pem").write_bytes((files / "ca.pem").read_bytes())
    running = runner(chosen)
    await running.setup()
    sites = await listen(running, chosen, Sockets(bind("127.0.0.1:0")))
    assert await answered(sites.names[0], known)
    (files / "clients.pem").write_bytes((files / "other.pem").read_bytes())
    sites.renew()
    assert not await answered(sites.names[0], known)
    (files / "clients.pem").write_bytes((files / "ca.pem").read_bytes())
    sites.renew()
    assert await answered(sites.names[0], known)
    await running.cleanup()


def write(files: Path, key_type: trustme.KeyType) -> None:
    """Write a new certificate of 127.0.0.1 and its key."""
    made = CA.issue_cert("127.0.0.1", key_type=key_type)
    made.private_key_pem.write_to_path(files / "server.key")
    made.cert_chain_pems[0].write_to_path(files / "server.pem")


async def shown(url: str, context: ssl.SSLContext, name: str | None = None) -> str:
    """Connect and return the fingerprint of the server's certificate."""
    host, _, port = url.removeprefix("https://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname=name)
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
def test_the_error_for_an_unusable_file_names_its_setting(files: Path, given: dict[str, str], words: str) -> None:
    chosen = Settings.model_validate({name: files / value for name, value in given.items()})
    make = client_context if next(iter(given)).startswith("upstream") else server_context
    with pytest.raises(ConfigError, match=words):
        make(chosen)


async def test_the_systems_ca_certificates_are_loaded_only_for_an_engine_with_tls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded: list[ssl.SSLContext] = []
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda context, _: loaded.append(context))
    plain = EngineTrust(fake_settings(upstream="http://127.0.0.1:9"))
    assert loaded == []
    EngineTrust(fake_settings(upstream="http://127.0.0.1:9,https://127.0.0.1:9"))
    assert len(loaded) == 1
    found = await plain.context("https://127.0.0.1:9")
    assert loaded[1:] == [found]
    assert found.verify_mode is ssl.CERT_REQUIRED
    assert await plain.context("https://127.0.0.1:9") is found


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://127.0.0.1:9"])
@pytest.mark.parametrize(
    "given", [{"upstream_ca": "none.pem"}, {"upstream_certificate": "none.pem", "upstream_key": "none.key"}]
)
def test_an_unusable_file_is_an_error_at_startup(files: Path, url: str, given: dict[str, str]) -> None:
    chosen = fake_settings(upstream=url, **{name: files / value for name, value in given.items()})
    with pytest.raises(ConfigError, match="No such file"):
        EngineTrust(chosen)
