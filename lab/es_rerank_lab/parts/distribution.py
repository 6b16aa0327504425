"""The available search engines and their download addresses."""

import importlib
import os
import platform
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from es_rerank_lab.parts.cache import prepared, require_space
from es_rerank_lab.parts.errors import PartError, UnavailableError
from es_rerank_lab.parts.fetch import Checksum, fetch, fetch_text
from es_rerank_lab.parts.java import JavaNeed
from es_rerank_lab.parts.progress import QUIET, Reporter

_Source = tuple[str, Checksum]
"""URL and checksum of an archive."""


@dataclass(frozen=True)
class Family:
    """Properties that all versions of an engine share.

    `prefix` is the prefix of its environment variables, `group` the Maven group of its test build, and `official` the
    URL of the vendor's archive. `platforms` has the platform names in that URL, by keys such as `Linux-x86_64`.
    """

    name: str
    prefix: str
    group: str
    official: str
    platforms: Mapping[str, str]

    def variables(self) -> tuple[str, ...]:
        """Return the environment variables that can contain a Java home."""
        return (f"{self.prefix}_JAVA_HOME", "JAVA_HOME")


@dataclass(frozen=True)
class Distribution:
    """One version of an engine.

    `sha256` is the checksum of the Maven archive, and `java` the range of supported Java versions. `security` is true
    if TLS and passwords can be enabled. `module_settings` are used only if the engine has the module that is their key.
    """

    family: Family
    version: str
    sha256: str
    java: tuple[int, int]
    java_modules: frozenset[str] = frozenset()
    security: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)
    module_settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.family.name}-{self.version}"

    @property
    def java_need(self) -> JavaNeed:
        """The required Java runtime."""
        return JavaNeed(*self.java, self.family.variables(), self.java_modules)


OPENSEARCH = Family(
    name="opensearch",
    prefix="OPENSEARCH",
    group="org.opensearch.distribution.integ-test-zip",
    official="https://artifacts.opensearch.org/releases/core/opensearch/{version}/"
    "opensearch-min-{version}-{platform}.tar.gz",
    platforms={"Linux-x86_64": "linux-x64", "Linux-aarch64": "linux-arm64"},
)
ELASTICSEARCH = Family(
    name="elasticsearch",
    prefix="ES",
    group="org.elasticsearch.distribution.integ-test-zip",
    official="https://artifacts.elastic.co/downloads/elasticsearch/elasticsearch-{version}-{platform}.tar.gz",
    platforms={
        "Linux-x86_64": "linux-x86_64",
        "Linux-aarch64": "linux-aarch64",
        "Darwin-x86_64": "darwin-x86_64",
        "Darwin-arm64": "darwin-aarch64",
    },
)
_NO_ML: dict[str, dict[str, object]] = {"x-pack-ml": {"xpack.ml.enabled": False}}
_NO_DOWNLOADS: dict[str, dict[str, object]] = {"ingest-geoip": {"ingest.geoip.downloader.enabled": False}}

ENGINES: Mapping[str, Distribution] = {
    "opensearch": Distribution(
        OPENSEARCH,
        "3.6.0",
        "a91faa1dc1cadc78cb278b4f63847e19e1627a4e9de698e14e7efc14ee37b286",
        java=(21, 25),
    ),
    "elasticsearch": Distribution(
        ELASTICSEARCH,
        "8.19.21",
        "215d5f3dbf0609a149f6218a9e47b6ae2df34ebbff3c5754e35f15a5e5393c8a",
        java=(17, 25),
        java_modules=frozenset({"jdk.attach", "jdk.jdi", "jdk.jlink", "jdk.net"}),
        security=True,
        module_settings=_NO_ML | _NO_DOWNLOADS,
    ),
    "opensearch-2.19.6": Distribution(
        OPENSEARCH,
        "2.19.6",
        "71d6d8b1c637f3faecda0752b184b1cc526fc6eaad59ec1408c6327bb00b9293",
        # Requires the security manager, which was removed in Java 24.
        java=(11, 23),
    ),
    "elasticsearch-7.17.9": Distribution(
        ELASTICSEARCH,
        "7.17.9",
        "231f708f602b39359853a6d822525ba695233fe06c2dd5a960bc535bf66b6fc1",
        java=(11, 17),
        module_settings=_NO_ML | _NO_DOWNLOADS,
    ),
    "elasticsearch-7.10.2": Distribution(
        ELASTICSEARCH,
        "7.10.2",
        "38a4232a9b8506235c8a2b6a24cdf3732b2c2aa4b8026c89063e038a610c9f4c",
        java=(11, 17),
        module_settings=_NO_ML,
    ),
}


def distribution(name: str) -> Distribution:
    """Return the engine with this name in `ENGINES`. Raises PartError if the name is unknown."""
    try:
        return ENGINES[name]
    except KeyError:
        raise PartError(f"There is no engine {name!r}. Choose one of: {', '.join(ENGINES)}.") from None


def unpacked(engine: Distribution, folder: Path, reporter: Reporter = QUIET) -> Path:
    """Return the engine's home folder in *folder*. The engine is downloaded and unpacked if it is missing.

    Raises PartError if no source provides the engine, a checksum is wrong or the disk is full.
    """

    def make(target: Path) -> None:
        archive = _archive(engine, target, reporter)
        unpack(archive, target, reporter)
        archive.unlink()

    home = prepared(folder / engine.title, make, reporter)
    for script in home.glob(f"*/bin/{engine.family.name}"):
        return script.parent.parent
    raise PartError(f"{home} does not contain {engine.title}. Delete the folder, and it will be downloaded again.")


def unpack(archive: Path, target: Path, reporter: Reporter = QUIET) -> None:
    """Unpack a .zip or .tar.gz archive with its executable bits. Raises PartError if the archive is damaged."""
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, target, reporter)
        else:
            _untar(archive, target, reporter)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise PartError(f"{archive.name} is damaged ({error}). Try again, and it will be downloaded again.") from error


def _archive(engine: Distribution, folder: Path, reporter: Reporter) -> Path:
    """Download an engine's archive from the first source that provides it. Raises PartError if no source does."""
    reasons: list[str] = []
    for url, checksum in _sources(engine, reasons):
        try:
            return fetch(url, folder / url.rsplit("/", 1)[-1], checksum, reporter)
        except UnavailableError as error:
            reasons.append(str(error))
    raise PartError(
        f"{engine.title} could not be downloaded:\n  " + "\n  ".join(reasons or ["no source for this platform"]) + "\n"
        "Check the network, or set ES_RERANK_MAVEN_REPOSITORY to the URL of a reachable Maven mirror."
    )


def _sources(engine: Distribution, reasons: list[str]) -> Iterator[_Source]:
    """Iterate over an engine's sources. Errors of unavailable sources are appended to *reasons*."""
    for source in (_from_vendor, _from_maven):
        try:
            yield from source(engine)
        except UnavailableError as error:
            reasons.append(str(error))


def _from_vendor(engine: Distribution) -> list[_Source]:
    """Return the vendor's archive, if there is one for this platform."""
    name = engine.family.platforms.get(f"{platform.system()}-{platform.machine()}")
    if name is None:
        return []
    url = engine.family.official.format(version=engine.version, platform=name)
    published = fetch_text(f"{url}.sha512").split()
    return [(url, Checksum("sha512", published[0]))] if published else []


def _from_maven(engine: Distribution) -> list[_Source]:
    """Return the integration test build in each Maven repository."""
    artifact = engine.family.name
    path = f"{engine.family.group.replace('.', '/')}/{artifact}/{engine.version}/{artifact}-{engine.version}.zip"
    return [(f"{base.rstrip('/')}/{path}", Checksum("sha256", engine.sha256)) for base in maven_repositories()]


def maven_repositories() -> list[str]:
    """Return the URLs of Maven repositories: `$ES_RERANK_MAVEN_REPOSITORY`, or the defaults of the package jgo."""
    if mirror := os.environ.get("ES_RERANK_MAVEN_REPOSITORY"):
        return [mirror]
    try:
        maven = importlib.import_module("jgo.maven")
    except ModuleNotFoundError:
        raise UnavailableError(
            "The package jgo, which lists the Maven repositories, is missing: pip install ./lab"
        ) from None
    return list(maven.MavenContext().remote_repos.values())


def _unzip(archive: Path, target: Path, reporter: Reporter) -> None:
    """Unpack a .zip archive."""
    with zipfile.ZipFile(archive) as file:
        members = file.infolist()
        total = sum(member.file_size for member in members)
        require_space(target, total)
        with reporter.step(f"unpack {archive.name}", total) as step:
            for member in members:
                path = Path(file.extract(member, target))
                if not member.is_dir() and member.external_attr >> 16 & 0o100:
                    path.chmod(0o755)
                step.advance(member.file_size)


def _untar(archive: Path, target: Path, reporter: Reporter) -> None:
    """Unpack a .tar.gz archive."""
    with (
        archive.open("rb") as raw,
        tarfile.open(fileobj=raw) as file,
        reporter.step(f"unpack {archive.name}", archive.stat().st_size) as step,
    ):
        # Python before 3.11.4 has no filters. The archive is trusted, because its checksum has been verified.
        file.extraction_filter = getattr(tarfile, "data_filter", None)
        done = raw.tell()
        for member in file:
            require_space(target, member.size)
            file.extract(member, target)
            step.advance(raw.tell() - done)
            done = raw.tell()
