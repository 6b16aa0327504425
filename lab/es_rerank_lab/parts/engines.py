"""Downloads, unpacks, configures and starts a search engine on this machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from es_rerank_lab.parts import security as tls
from es_rerank_lab.parts.account import Account, engine_account
from es_rerank_lab.parts.cache import RunFolder, disk_errors, shared_folder
from es_rerank_lab.parts.distribution import Distribution, distribution, unpacked
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.java import find_java, packaged_java
from es_rerank_lab.parts.node import Node
from es_rerank_lab.parts.plugins import Plugin, with_plugins
from es_rerank_lab.parts.port import HOST, claim_port
from es_rerank_lab.parts.probe import Probe
from es_rerank_lab.parts.process import Command, Process, await_ready
from es_rerank_lab.parts.progress import QUIET, Reporter
from es_rerank_lab.parts.running import Running


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Options for running an engine.

    Attributes:
        heap: Heap size in Java's notation, such as `512m`.
        data: Data folder, which is kept when the engine stops; if None, the data is deleted.
        settings: Additional settings of the engine.
        plugins: Plugins to install, for OpenSearch.
        timeout_seconds: Maximum time until the engine responds.

    """

    heap: str = "512m"
    data: Path | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    plugins: Sequence[Plugin] = ()
    timeout_seconds: float = 180.0


@dataclass(frozen=True, kw_only=True)
class Engine(Running):
    """A running search engine. Credentials and CA certificate are None if security is not enabled."""

    name: str
    version: str
    username: str | None
    password: str | None = field(repr=False)
    ca: Path | None


def start_engine(
    name: str,
    *,
    security: bool = False,
    port: int = 0,
    options: EngineOptions | None = None,
    reporter: Reporter = QUIET,
) -> Engine:
    """Start the engine *name*, a key of `ENGINES`, on 127.0.0.1, and wait until it responds.

    With *security*, TLS and a password are enabled. Port 0 is any free port. Raises PartError if the start fails.
    """
    engine, chosen = distribution(name), options or EngineOptions()
    if security and not engine.security:
        raise PartError(f"{engine.title} does not support security. Start it without, or start elasticsearch.")
    port, account = claim_port(port), engine_account()
    folder = shared_folder(account)
    home = unpacked(engine, folder, reporter)
    java = find_java(engine.java_need, home, account) or packaged_java(engine.java_need, folder, account, reporter)
    if chosen.plugins:
        home = with_plugins(engine, home, chosen.plugins, java, reporter)
    run = RunFolder(folder, engine.title)
    try:
        node = Node(
            engine=engine,
            home=home,
            run=run.path,
            java=java,
            port=port,
            heap=chosen.heap,
            data=chosen.data.resolve() if chosen.data else run.path / "data",
            settings=_security_settings(engine, security) | dict(chosen.settings),
        )
        with disk_errors(folder):
            credentials = _prepare(node, account, security)
        return _launch(node, run, account, credentials, (chosen.timeout_seconds, reporter))
    except BaseException:
        run.remove()
        raise


def _security_settings(engine: Distribution, security: bool) -> dict[str, object]:
    """Return the settings that enable or disable security."""
    if not engine.security:
        return {}
    return dict(tls.ON if security else tls.OFF)


def _prepare(node: Node, account: Account, security: bool) -> tls.Credentials | None:
    """Write the node's files and set their owner. Return the credentials if security is enabled."""
    node.write()
    node.data.mkdir(parents=True, exist_ok=True)
    credentials = tls.secure(node) if security else None
    account.own(node.run)
    if not any(node.data.iterdir()):
        account.own(node.data)
    if not account.can_read(node.data):
        raise PartError(f"User {account.name}, which runs the engine, cannot read {node.data}. Choose another folder.")
    if credentials is not None:
        tls.store_password(node, credentials, account)
    return credentials


def _launch(
    node: Node,
    run: RunFolder,
    account: Account,
    credentials: tls.Credentials | None,
    wait: tuple[float, Reporter],
) -> Engine:
    """Start the node's process and wait until it responds. *wait* is the timeout in seconds and the reporter."""
    url = f"{'https' if credentials else 'http'}://{HOST}:{node.port}"
    username, password, ca = (
        (credentials.username, credentials.password, credentials.ca) if credentials else (None, None, None)
    )
    process = Process(
        Command(
            argv=[str(node.home / "bin" / node.engine.family.name)],
            log=run.path / "engine.log",
            env=node.environment(),
            cwd=run.path,
            account=account,
        )
    )
    probe = Probe(f"{url}/_cluster/health", username, password, ca)
    try:
        await_ready(process, probe.answers, node.engine.title, *wait)
    except BaseException:
        process.kill()
        raise
    return Engine(
        title=node.engine.title,
        name=node.engine.family.name,
        version=node.engine.version,
        url=url,
        username=username,
        password=password,
        ca=ca,
        process=process,
        run=run,
        ready=probe.answers,
    )
