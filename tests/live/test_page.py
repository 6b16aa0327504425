"""The page at `/_rerank/` in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from es_rerank_lab.parts.engines import Engine
from es_rerank_lab.parts.vllm import ModelServer
from tests.debian import program

from .conftest import Serve
from .endpoint import Endpoint
from .models import Models
from .test_e5 import LANGUAGES, MAPPINGS, MODEL_ORDER
from .wire import fill

INDEX = "page"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Path:
    """Return Chromium."""
    return program("chromium", *NAMES)


@pytest.fixture
def endpoint(opensearch: Engine, serve: Serve, models: Models, e5: ModelServer) -> Endpoint:
    """An endpoint with e5, and an index in which the engine ranks the wrong document first."""
    _, texts = LANGUAGES["en"]
    fill(opensearch.url, INDEX, MAPPINGS, {name: {"title": "", "body": text} for name, text in texts.items()})
    found = serve(opensearch.url, *models.flags("e5"), *MODEL_ORDER)
    found.await_health("ok")
    return found


@pytest.fixture
def page(endpoint: Endpoint, browser: Path) -> Iterator[Page]:
    """The open page; an error in its script fails the test."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=list(FLAGS))
        opened = chromium.new_page()
        errors: list[Any] = []
        opened.on("pageerror", lambda error: errors.append(error))  # noqa: PLW0108 - playwright sets an attribute of the handler
        opened.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        opened.goto(f"{endpoint.admin_listen}/_rerank/")
        yield opened
        chromium.close()
        assert errors == []


def test_both_orders_are_shown_side_by_side(page: Page) -> None:
    page.fill("#compare-query", LANGUAGES["en"][0])
    page.fill("#compare-index", INDEX)
    page.fill("#compare-size", "3")
    page.click("#compare-submit")
    page.wait_for_selector("#reranked-hits li.hit")
    page.wait_for_selector("#compare-busy", state="hidden")
    before, after = (
        page.locator(f"#{side}-hits li.hit").evaluate_all("hits => hits.map(hit => hit.dataset.id)")
        for side in ("engine", "reranked")
    )
    assert before[0] == "words"
    assert after[0] == "answer"
    assert sorted(before) == sorted(after)
    assert page.get_attribute("#reranked-hits li.hit >> nth=0", "data-rank") == "1"
    assert page.get_attribute("#reranked-hits li.hit >> nth=0", "data-move") == "up"
    assert "rerank" in page.inner_text("#outcome-words").lower()
    page.wait_for_function("document.querySelector('#compare-fields').textContent")
    assert page.inner_text("#compare-fields") == "The model read 2 fields: title, body."


def test_candidates_are_ranked(page: Page) -> None:
    lines = ["Jupiter is large.", "Bread is baked <b>in</b> an oven.", "Saturn has well over a hundred moons."]
    page.click("#tab-rank")
    page.fill("#rank-query", "which planet has most moons")
    page.fill("#rank-candidates", "\n".join(lines))
    page.click("#rank-submit")
    page.wait_for_selector("#rank-results li.hit.ranked")
    order = page.locator("#rank-results li.ranked").evaluate_all("rows => rows.map(row => row.dataset.index)")
    assert order == ["2", "0", "1"]
    assert page.inner_text("#rank-results li.ranked .text >> nth=0") == lines[2]
    assert page.inner_text("#rank-results li.ranked .text >> nth=2") == lines[1]
    assert page.locator("#rank-results li.ranked .text b").count() <= 1
    assert page.locator("#rank-results li.ranked .score").count() == len(lines)
