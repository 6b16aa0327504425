"""Two replicas of a scorer on Ray Serve, at the path of Ray Serve LLM: `python app.py PORT FOLDER`.

It runs in an environment of its own, with Ray, and is in a folder of its own, which Ray adds to the import path. The
scorer stands in for vLLM: it has vLLM's `/score`, and any reproducible order other than the engine's. Ray's part is
real: its proxy, its replicas and their restart.
"""

# No postponed annotations: FastAPI must recognize the type of `request`.

import os
import signal
import sys
import threading

import ray
from fastapi import FastAPI, Request
from ray import serve

app = FastAPI()


@serve.deployment(num_replicas=2, health_check_period_s=1, ray_actor_options={"num_cpus": 0.1})
@serve.ingress(app)
class Scorer:
    @app.post("/score")
    async def score(self, request: Request) -> dict[str, object]:
        texts = (await request.json())["text_2"]
        return {"data": [{"index": at, "score": float(len(text) % 7)} for at, text in enumerate(texts)]}

    @app.get("/pid")
    async def pid(self) -> int:
        return os.getpid()


def main() -> None:
    port, folder = sys.argv[1:]
    stopped = threading.Event()
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, _temp_dir=folder, object_store_memory=80 * 2**20)
    serve.start(http_options={"host": "127.0.0.1", "port": int(port)})
    serve.run(Scorer.bind(), name="rerank", route_prefix="/v1")
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    stopped.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
