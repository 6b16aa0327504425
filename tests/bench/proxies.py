"""The proxies that the streaming benchmark compares: nginx in several configurations, and es-rerank (needs /proc)."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tests.bench.wire import download

NO_NGINX = "nginx is not installed. Install it with: apt-get install nginx-light"
UNBUFFERED_REQUESTS = "proxy_request_buffering off;"
# Request bodies are streamed in all configurations; the first ones have nginx's default buffer sizes.
DEFAULT_BUFFER_CONFIGURATIONS = 2
NGINX = {
    "default buffers": UNBUFFERED_REQUESTS + " proxy_max_temp_file_size 0;",
    "unbuffered": UNBUFFERED_REQUESTS + " proxy_buffering off;",
    "unbuffered, 64k": UNBUFFERED_REQUESTS
    + " proxy_buffering off; proxy_buffer_size 64k; proxy_buffers 8 64k; client_body_buffer_size 64k;",
    "buffers of 256k": UNBUFFERED_REQUESTS
    + " proxy_max_temp_file_size 0; proxy_buffer_size 256k; proxy_buffers 8 256k; proxy_busy_buffers_size 512k;"
    " client_body_buffer_size 256k;",
}
_CONF = """
daemon off; worker_processes {workers}; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream engine {{ server 127.0.0.1:{engine}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port}; client_max_body_size 0;
    location / {{ proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection ""; {settings} }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy: its port, its processes, and its resident memory while idle, in bytes."""

    name: str
    port: int
    processes: tuple[int, ...]
    idle: int

    def reset_peak(self) -> None:
        """Reset the peak of resident memory."""
        for pid in self.processes:
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")

    def extra(self) -> int:
        """Return the peak of resident memory since then, above the idle memory, in bytes."""
        return _resident(self.processes, "VmHWM") - self.idle


@contextmanager
def engine() -> Iterator[int]:
    """Run the engine in its own process; yield its port."""
    command = [sys.executable, "-m", "tests.bench.wire"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def nginx(settings: str, engine_port: int, folder: Path, workers: str = "1") -> Iterator[Proxy]:
    """Run nginx with one of the configurations."""
    name, port = settings if workers == "1" else f"{settings}, {workers} workers", _free_port()
    with _running(_nginx_command(settings, engine_port, port, folder, workers), name, port) as proxy:
        yield proxy


@contextmanager
def nginx_url(engine: str, folder: Path) -> Iterator[str]:
    """Run nginx with default buffers in front of the engine at a URL, and yield its own URL."""
    port = _free_port()
    command = _nginx_command("default buffers", urlsplit(engine).port or 0, port, folder)
    with subprocess.Popen(command) as process:
        try:
            _await_listening(process, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _nginx_command(settings: str, engine_port: int, port: int, folder: Path, workers: str = "1") -> list[str]:
    """Write a configuration to *folder*, which is created, and return the command that runs nginx with it."""
    program = shutil.which("nginx")
    if program is None:
        raise SystemExit(NO_NGINX)
    folder.mkdir()
    made = _CONF.format(workers=workers, folder=folder, engine=engine_port, port=port, settings=NGINX[settings])
    conf = folder / "nginx.conf"
    conf.write_text(made, encoding="ascii")
    return [program, "-c", str(conf), "-e", str(folder / "error.log")]


@contextmanager
def es_rerank(engine_port: int, folder: Path | None = None, name: str = "es-rerank") -> Iterator[Proxy]:
    """Run es-rerank from this tree, or from another folder, whose version may not have admin pages."""
    port = _free_port()
    listen, upstream = f"127.0.0.1:{port}", f"http://127.0.0.1:{engine_port}"
    flags = ["--backend", "identity", "--listen", listen, "--upstream", upstream, "--log-level", "warning"]
    own = [] if folder else ["--admin-listen", "127.0.0.1:0"]
    with _running([sys.executable, "-m", "es_rerank", "serve", *flags, *own], name, port, folder) as proxy:
        yield proxy


@contextmanager
def _running(command: list[str], name: str, port: int, folder: Path | None = None) -> Iterator[Proxy]:
    """Run a proxy; its idle memory is measured after one small request."""
    with subprocess.Popen(command, cwd=folder) as process:
        try:
            _await_listening(process, port)
            download(port, 2, chunked=False)
            time.sleep(0.5)
            parent = psutil.Process(process.pid)
            processes = (parent.pid, *(child.pid for child in parent.children(recursive=True)))
            yield Proxy(name, port, processes, _resident(processes, "VmRSS"))
        finally:
            process.terminate()


def _await_listening(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a port accepts connections."""
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit(f"{process.args} ended with {process.returncode}")
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"{process.args} does not listen")


def _resident(processes: tuple[int, ...], row: str) -> int:
    """Return the sum of a row of /proc/PID/status over processes, in bytes."""
    texts = (Path(f"/proc/{pid}/status").read_text(encoding="ascii") for pid in processes)
    return sum(int(text.partition(row + ":")[2].split()[0]) * 1024 for text in texts)


def _free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
