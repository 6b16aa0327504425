"""Throughput of one worker and of two on the same machine: `python -m tests.bench.scaling_workers [--json FILE]`.

The engine, the rerank server and the client must not need the processor time of the workers. So nginx serves a stored
response for all searches and one for all requests for scores, and wrk sends the searches. All run on this machine.

The stored scores are those of a whole window. So that es-rerank does not start with parts of a window, the first
searches find short documents: from these, it learns the rate of the rerank server.

Install both with `apt-get install nginx-light wrk`.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from tests.bench.load import INDEX, WINDOW, document
from tests.bench.processes import cpu_ms
from tests.bench.throughput import ratio
from tests.live.endpoint import Endpoint, start_endpoint
from tests.live.ports import free_ports

# Words of the documents of each index: about 2 KB, and a single one.
HIT_WORDS = {INDEX: 330, "short": 2}
WORKERS = (1, 2)
# Few, so that no window is reduced before the rate is known.
WARM_UP_CLIENTS = 4
FLAGS = ("--profile", "qwen3-reranker-0.6b", "--score-cache-size", "0", "--cut-cache-bytes", "0", "--no-self-test")
# nginx does not serve stored files for POST requests, unless the error page for it is the file itself.
_CONF = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type application/json; client_max_body_size 0;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port}; root {folder}; error_page 405 =200 $uri;
    location ~ ^/(.+)/_search$ {{ try_files /$1.json =404; }}
    location ~ /_field_caps$ {{ try_files /caps.json =404; }}
    location = /score {{ try_files /score.json =404; }}
  }}
}}
"""
# Each search has another query text.
_SCRIPT = """
local number = 0
request = function()
  number = number + 1
  local body = '{{"query":{{"match":{{"body":"report ' .. number .. '"}}}}}}'
  return wrk.format("POST", "/{index}/_search", {{["Content-Type"] = "application/json"}}, body)
end
response = function(status, headers)
  if status ~= 200 or headers["X-Rerank"]:sub(1, 8) ~= "reranked" then
    print("not reranked: " .. status .. " " .. tostring(headers["X-Rerank"]))
    os.exit(1)
  end
end
"""


def search_response(index: str, words: int) -> Mapping[str, Any]:
    """Return a search response with a whole window of documents."""
    hits = [
        {"_index": index, "_id": f"d{number}", "_score": float(WINDOW - number), "_source": document(number, words)}
        for number in range(WINDOW)
    ]
    total = {"value": WINDOW, "relation": "eq"}
    return {"took": 1, "timed_out": False, "hits": {"total": total, "max_score": float(WINDOW), "hits": hits}}


def stored() -> Mapping[str, Any]:
    """Return the content of each stored response, by file name."""
    text = {"type": "text", "searchable": True, "aggregatable": False}
    return {
        **{index: search_response(index, words) for index, words in HIT_WORDS.items()},
        "caps": {"indices": [], "fields": {"body": {"text": text}}},
        "score": {"data": [{"index": at, "score": at * 7 % 10 / 2 - 2.5} for at in range(WINDOW)]},
    }


@contextmanager
def stored_responses(folder: Path) -> Iterator[str]:
    """Run nginx with the stored responses, as the engine and as the rerank server; yield its URL."""
    program = shutil.which("nginx")
    if program is None:
        raise SystemExit("nginx is not installed. Install it with: apt-get install nginx-light")
    (port,) = free_ports(1)
    for name, content in stored().items():
        (folder / f"{name}.json").write_bytes(msgspec.json.encode(content))
    conf = folder / "nginx.conf"
    conf.write_text(_CONF.format(folder=folder, port=port), encoding="ascii")
    with subprocess.Popen([program, "-c", str(conf), "-e", str(folder / "error.log")]) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def rate(url: str, index: str, clients: int, seconds: int) -> float:
    """Return the searches per second in an index that wrk measures."""
    program = shutil.which("wrk")
    if program is None:
        raise SystemExit("wrk is not installed. Install it with: apt-get install wrk")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT.format(index=index))
        script.flush()
        command = [program, "-t1", f"-c{clients}", f"-d{seconds}s", "-s", script.name, url]
        output = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    found = re.search(r"Requests/sec:\s*([\d.]+)", output)
    if found is None or "Non-2xx" in output or "Socket errors" in output or "not reranked" in output:
        raise SystemExit(output)
    return float(found[1])


def measured(endpoints: Sequence[Endpoint], options: argparse.Namespace) -> dict[str, Any]:
    """Measure the endpoints in turn; return the searches per second and the processor time of each."""
    rates: list[list[float]] = [[] for _ in endpoints]
    times: list[list[float]] = [[] for _ in endpoints]
    for endpoint in endpoints:
        for index, clients in (("short", WARM_UP_CLIENTS), (INDEX, WARM_UP_CLIENTS), (INDEX, options.clients)):
            rate(endpoint.url, index, clients, options.seconds)
    for turn in range(options.turns):
        for at, endpoint in list(enumerate(endpoints))[:: -1 if turn % 2 else 1]:
            used = cpu_ms(endpoint)
            rates[at].append(rate(endpoint.url, INDEX, options.clients, options.seconds))
            times[at].append((cpu_ms(endpoint) - used) / (rates[at][-1] * options.seconds))
    return {
        "searches_per_second": [round(median(one), 1) for one in rates],
        "cpu_ms_per_search": [round(median(one), 2) for one in times],
        "two workers / one worker": round(ratio(rates[1], rates[0]), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.scaling_workers", description=__doc__.partition(":")[0]
    )
    parser.add_argument("--clients", type=int, default=16, help="connections")
    parser.add_argument("--seconds", type=int, default=5, help="seconds of each turn")
    parser.add_argument("--turns", type=int, default=5, help="turns of each number of workers")
    parser.add_argument("--json", type=Path, help="file for the report")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # nginx drops its privileges.
        folder.chmod(0o755)
        server = stack.enter_context(stored_responses(folder))
        endpoints = []
        for workers in WORKERS:
            flags = ("--reranker", server, "--window", str(WINDOW), "--deadline", "60s", "--workers", str(workers))
            log = folder / f"{workers}.log"
            endpoints.append(start_endpoint(server, log, *FLAGS, *flags, "--log-level", "warning"))
            stack.callback(endpoints[-1].process.stop)
        report = measured(endpoints, options)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{json.dumps(report, indent=2)}\nThe target is a ratio of at least 1.7 on two idle cores.\n")


if __name__ == "__main__":
    main()
