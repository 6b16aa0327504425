"""The page at `/_rerank/` in a real browser, in front of a real engine and a real model: by mouse and by keyboard."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from es_rerank.model import Why
from es_rerank.reasons import REASONS
from es_rerank_lab.parts.engines import Engine
from es_rerank_lab.parts.vllm import ModelServer

from .browser import PHONE, WIDE, check_accessible, opened, running_browser, tab_to
from .conftest import Serve
from .endpoint import Endpoint
from .models import Models
from .test_e5 import LANGUAGES, MAPPINGS, MODEL_ORDER
from .wire import ask, fill

INDEX, MANY = "page", "page-many"
QUERY, TEXTS = LANGUAGES["en"]
# Which candidate of each example is the answer.
ANSWERS = [2, 3, 3, 3, 3]
SECRET = "not-to-be-shown"
MODE_OFF = "index: page-off\nmode: off\n"
VIEWS = ("playground", "compare", "judge", "status")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as found:
        yield found


@pytest.fixture
def endpoint(
    opensearch: Engine, serve: Serve, models: Models, e5: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> Endpoint:
    """An endpoint with e5, an index in which the engine ranks the wrong document first, and one with many documents."""
    fill(opensearch.url, INDEX, MAPPINGS, {name: {"title": "", "body": text} for name, text in TEXTS.items()})
    fill(opensearch.url, "page-off", MAPPINGS, {name: {"body": text} for name, text in TEXTS.items()})
    many = {
        str(n): {"title": f"Hose {n}", "body": "garden hose " * (1 + n % 9) + "of the town " * (n % 13)}
        for n in range(60)
    }
    fill(opensearch.url, MANY, MAPPINGS, many)
    rules = tmp_path_factory.getbasetemp() / "page-rules"
    rules.mkdir(exist_ok=True)
    (rules / "off.yaml").write_text(MODE_OFF)
    (rules / "rest.yaml").write_text("index: '*'\n")
    flags = (*models.flags("e5"), *MODEL_ORDER, "--mappings", str(rules), "--reranker-api-key", SECRET)
    found = serve(opensearch.url, *flags)
    found.await_health("ok")
    return found


@pytest.fixture
def page(endpoint: Endpoint, browser: Browser) -> Iterator[Page]:
    with opened(browser, f"{endpoint.admin_listen}/_rerank/") as found:
        yield found


def ids(page: Page, side: str) -> list[str]:
    found: list[str] = page.locator(f"#{side}-hits li.hit").evaluate_all("hits => hits.map(hit => hit.dataset.id)")
    return found


def order(page: Page) -> list[int]:
    found = page.locator("#playground-results li.ranked").evaluate_all("rows => rows.map(row => row.dataset.index)")
    return [int(index) for index in found]


def compare(page: Page, query: str = QUERY, index: str = INDEX, **more: str) -> None:
    """Compare the orders of a search by mouse."""
    page.click("nav >> text=Compare")
    page.fill("#compare-query", query)
    page.fill("#compare-index", index)
    page.select_option("#compare-size", more.get("size", "10"))
    if "body" in more:
        page.evaluate("document.getElementById('compare-body-details').open = true")
        page.fill("#compare-body", more["body"])
    with page.expect_response("**/_rerank/explain"):
        page.click("#compare-submit")
    page.wait_for_selector("#compare-busy", state="hidden")


# ---- playground ----


def test_a_newcomer_sees_the_playground_first_and_which_model_answers(page: Page) -> None:
    assert page.inner_text("h2:visible") == "Playground"
    assert page.get_attribute("nav [aria-current]", "href") == "#playground"
    page.wait_for_selector("#model-note b")
    note = page.inner_text("#model-note")
    assert note.startswith("Scores come from intfloat/multilingual-e5-small. This small model is for trying es-rerank")
    assert page.is_disabled("#playground-instruction")


@pytest.mark.parametrize("at", range(len(ANSWERS)))
def test_the_answer_is_first_in_each_example(at: int, page: Page) -> None:
    with page.expect_response("**/_rerank/rank"):
        page.locator("#scenarios button").nth(at).click()
    page.wait_for_selector("#playground-results li.ranked")
    assert order(page)[0] == ANSWERS[at]
    assert sorted(order(page)) == list(range(5))
    assert page.is_visible("#lesson")
    assert page.locator("#scenarios [aria-pressed=true]").count() == 1
    assert all(re.fullmatch(r"0\.\d{4}", score) for score in page.locator(".ranked .score").all_inner_texts())


def test_candidates_are_ranked_by_keyboard(page: Page) -> None:
    lines = ["Jupiter is large.", "Bread is baked <b>in</b> an oven.", "Saturn has well over a hundred moons. " * 40]
    tab_to(page, "#playground-query")
    page.keyboard.type("which planet has most moons")
    tab_to(page, "#playground-candidates")
    page.keyboard.insert_text("\n".join(lines))
    assert page.inner_text("#candidate-count") == "3 candidates · press Ctrl + Enter to rank"
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#playground-results li.ranked")
    assert order(page) == [2, 0, 1]
    assert page.locator("li.ranked .text >> nth=2").inner_text() == lines[1]
    first = page.locator("li.ranked >> nth=0")
    assert first.locator("summary").inner_text() == lines[2][:120].rstrip() + "…"
    assert int(first.locator("summary").evaluate("node => getComputedStyle(node).fontWeight")) >= 700
    assert re.search(r"Candidate 3 · about \d+ tokens in \d passages", first.inner_text())
    tab_to(page, "li.ranked.first summary")
    page.keyboard.press("Enter")
    assert first.locator("details .text").inner_text() == lines[2].strip()


@pytest.mark.parametrize(
    ("kind", "text", "count"),
    [
        ("lines", "a b\n\n c \n", 2),
        ("paragraphs", "a\nb\n \nc\n\n\nd", 3),
        ("json", '["a", {"title": "b", "body": ["c", "d"]}, {"_source": {"x": "e"}}]', 3),
    ],
)
def test_candidates_can_be_lines_paragraphs_or_json(kind: str, text: str, count: int, page: Page) -> None:
    page.select_option("#playground-format", kind)
    page.fill("#playground-query", "a")
    page.fill("#playground-candidates", text)
    page.click("#playground-submit")
    page.wait_for_selector("#playground-results li.ranked")
    assert page.locator("li.ranked").count() == count


def test_input_that_cannot_be_ranked_is_named(page: Page) -> None:
    page.select_option("#playground-format", "json")
    page.fill("#playground-candidates", "[")
    assert page.inner_text("#candidate-count").startswith("The candidates are not valid JSON: ")
    page.select_option("#playground-format", "lines")
    page.fill("#playground-candidates", "x\n" * 1001)
    assert page.inner_text("#candidate-count").startswith("The model ranks at most 1,000 candidates at once.")


def test_a_thousand_candidates_are_shown_in_portions(page: Page) -> None:
    page.fill("#playground-query", "moons of planet 500")
    page.fill("#playground-candidates", "\n".join(f"Planet {n} has {n} moons." for n in range(1000)))
    page.click("#playground-submit")
    page.wait_for_selector("#playground-results li.ranked", timeout=60_000)
    assert page.locator("li.ranked").count() == 50
    assert page.evaluate("document.documentElement.scrollHeight") < 8000
    assert page.inner_text("#playground-more") == "Show 50 more of 950"
    page.click("#playground-more")
    assert page.locator("li.ranked").count() == 100


def test_examples_of_ones_own_are_kept_exported_and_imported(page: Page, endpoint: Endpoint, tmp_path: Path) -> None:
    page.fill("#playground-query", "moons")
    page.fill("#playground-candidates", "sun\nmoon")
    page.click("#own summary")
    page.fill("#own-name", "My <b>example</b>")
    page.keyboard.press("Enter")
    page.reload()
    page.click("#own summary")
    with page.expect_download() as download:
        page.click("#own-export")
    saved = json.loads(Path(download.value.path()).read_text())
    assert saved == [{"name": "My <b>example</b>", "query": "moons", "candidates": ["sun", "moon"]}]
    page.click("[aria-label='Delete the example My <b>example</b>']")
    assert page.locator("#scenarios .own").count() == 0
    (tmp_path / "examples.json").write_text(json.dumps(saved))
    page.set_input_files("#own-import", tmp_path / "examples.json")
    page.locator("#scenarios .own button >> nth=0").click()
    page.wait_for_selector("#playground-results li.ranked")
    assert order(page) == [1, 0]
    (tmp_path / "examples.json").write_text("{}")
    page.set_input_files("#own-import", tmp_path / "examples.json")
    page.wait_for_selector("#playground-error h3")
    assert "Export to a file" in page.inner_text("#playground-error")


# ---- compare ----


def test_both_orders_are_compared_by_mouse(page: Page) -> None:
    compare(page)
    before, after = ids(page, "engine"), ids(page, "reranked")
    assert (before[0], after[0]) == ("words", "answer")
    assert sorted(before) == sorted(after)
    assert page.locator("#move-lines path").count() == len(after)
    assert page.get_attribute("#reranked-hits li.hit >> nth=0", "data-move") == "up"
    assert re.match(r"Reranked\s*The model intfloat/multilingual-e5-small scored", page.inner_text("#outcome-words"))
    assert page.locator("#engine-hits mark").count() > 0
    for name in ("engine", "rerank", "es-rerank", "in the browser"):
        assert name in page.inner_text("#compare-timing")
    page.click("#plan-details summary")
    plan = page.inner_text("#plan")
    assert QUERY in plan
    assert re.search(r"title\s+yes\s+a headline, by its name|title\s+no", plan)
    assert re.search(r"body\s+yes", plan)
    page.click("#reranked-hits .title >> nth=0")
    shown = page.inner_text("#hit-dialog")
    assert TEXTS["answer"] in shown
    assert re.search(r"Passage 1 of 1 · score 0\.\d{4} · about \d+ tokens", shown)
    assert f"{INDEX} / answer" in shown
    page.click("#hit-dialog >> text=Close")
    assert page.is_hidden("#hit-dialog")


def test_both_orders_are_compared_by_keyboard(page: Page) -> None:
    tab_to(page, "nav a[href='#compare']")
    page.keyboard.press("Enter")
    tab_to(page, "#compare-query")
    page.keyboard.type(QUERY)
    page.keyboard.press("Tab")
    page.keyboard.type(INDEX)
    page.keyboard.press("Enter")
    page.wait_for_selector("#reranked-hits li.hit")
    tab_to(page, "#reranked-hits .title")
    assert page.locator("#reranked-hits li.hit.on").count() == 1
    page.keyboard.press("g")
    assert page.locator(".hit[data-mark='1']").count() == 2
    page.keyboard.press("Enter")
    page.wait_for_selector("#hit-dialog[open]")
    assert page.get_attribute("#hit-dialog [data-rating='1']", "aria-pressed") == "true"
    page.keyboard.press("Escape")
    assert page.is_hidden("#hit-dialog")
    assert page.evaluate("document.activeElement.matches('#reranked-hits .title')")


def test_fifty_hits_are_one_line_each_and_lines_appear_on_hover(page: Page) -> None:
    compare(page, "garden hose of the town", MANY, size="50")
    assert len(ids(page, "engine")) == len(ids(page, "reranked")) == 50
    assert page.evaluate("document.documentElement.scrollHeight") < 3500
    opacity = "path => getComputedStyle(path).opacity"
    paths = page.locator("#move-lines path")
    assert paths.count() == 50
    assert {paths.nth(at).evaluate(opacity) for at in range(50)} == {"0"}
    page.hover("#reranked-hits li.hit >> nth=3")
    page.wait_for_timeout(400)
    assert page.locator("#move-lines path.on").evaluate(opacity) == "1"
    assert page.locator("#columns .hit.on").count() == 2


def test_a_search_body_of_ones_own_is_run_with_its_highlights(page: Page) -> None:
    body = {"query": {"match": {"body": "{{query}}"}}, "highlight": {"fields": {"body": {}}}}
    compare(page, 'how "long" can it grow', body=json.dumps(body))
    assert page.locator("#reranked-hits mark").count() > 0
    page.click("#plan-details summary")
    assert 'how "long" can it grow' in page.inner_text("#plan dl")
    page.fill("#compare-body", '{"query": {{query}}}')
    page.click("#compare-submit")
    page.wait_for_selector("#compare-error h3")
    assert 'Write "{{query}}" inside quotation marks' in page.inner_text("#compare-error")


@pytest.mark.parametrize(
    ("index", "body", "why"),
    [
        ("page-off", '{"query":{"match":{"body":"{{query}}"}}}', Why.OFF),
        (INDEX, '{"query":{"match":{"body":"{{query}}"}},"sort":["_doc"]}', Why.SORT),
        (INDEX, '{"query":{"match_all":{}}}', Why.NO_QUERY_TEXT),
    ],
)
def test_a_reason_has_its_meaning_and_its_remedy(index: str, body: str, why: Why, page: Page) -> None:
    compare(page, index=index, body=body)
    shown = page.inner_text("#outcome-remedy")
    means, do = (text.replace("`", "") for text in REASONS[why])
    assert shown == f"Reason {why}: {means} What to do: {do}"
    assert ids(page, "engine") == ids(page, "reranked") != []


def test_reranking_is_forced_although_the_rule_is_off(page: Page) -> None:
    page.click("nav >> text=Compare")
    page.check("#compare-force")
    compare(page, index="page-off")
    assert ids(page, "reranked")[0] == "answer"
    assert page.inner_text("#outcome-forced").startswith("Reranking is forced here. Clients get the engine's order")


def test_the_engines_error_is_shown_with_what_to_do(page: Page) -> None:
    compare(page, index="page-missing")
    assert "no such index" in page.inner_text("#compare-error")
    assert "Check the name of the index." in page.inner_text("#compare-error")


def test_the_copied_curl_command_is_the_search(page: Page, endpoint: Endpoint) -> None:
    compare(page)
    page.click("#compare-curl")
    page.wait_for_selector("#toast.show")
    command = page.evaluate("navigator.clipboard.readText()")
    url, body = re.findall(r"'(http[^']*)'", command)[0], re.findall(r"-d '(.*)'", command)[0]
    answer = ask(endpoint.admin_listen, "POST", url.removeprefix(endpoint.admin_listen), json.loads(body))
    assert answer.ids == ids(page, "reranked")


def test_a_link_opens_the_same_comparison(page: Page, endpoint: Endpoint, browser: Browser) -> None:
    compare(page)
    with opened(browser, page.url) as other:
        other.wait_for_selector("#reranked-hits li.hit")
        assert ids(other, "reranked") == ids(page, "reranked")
    page.click("nav >> text=Playground")
    page.go_back()
    assert page.is_visible("#compare-answer")


def test_the_searches_of_the_page_are_not_counted(page: Page, endpoint: Endpoint) -> None:
    def counted() -> list[str]:
        lines = endpoint.page("GET", "/metrics").body.decode().splitlines()
        return [one for one in lines if re.match("es_rerank_(searches|documents|passthrough_requests)_total", one)]

    before = counted()
    compare(page)
    page.click("nav >> text=Playground")
    page.locator("#scenarios button").nth(0).click()
    page.wait_for_selector("#playground-results li.ranked")
    assert counted() == before


# ---- judge ----


def test_marks_become_judgments_that_eval_reads_and_its_report_is_shown(
    page: Page, endpoint: Endpoint, tmp_path: Path
) -> None:
    compare(page)
    page.hover("#reranked-hits li.hit >> nth=0")
    page.click("#reranked-hits li.hit >> nth=0 >> [data-rating='1']")
    page.click("#reranked-hits li.hit >> nth=1 >> .title")
    page.click("#hit-dialog [data-rating='0']")
    page.keyboard.press("Escape")
    page.click("nav >> text=Judge")
    page.locator("#marks", has_text=QUERY).wait_for()
    assert re.search(rf"{QUERY}\s+1\s+1", page.inner_text("#marks"))
    for name, file in (("Export judgments", "judgments.json"), ("Export queries", "queries.jsonl")):
        with page.expect_download() as download:
            page.click(f"#marks >> text={name}")
        assert download.value.suggested_filename == file
        download.value.save_as(tmp_path / file)
    command = [sys.executable, "-m", "es_rerank", "eval", "--endpoint", endpoint.url, "--index", INDEX]
    command += ["--queries", "queries.jsonl", "--judgments", "judgments.json", "--json", "report.json"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120, capture_output=True)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["queries"][0]["text"] == QUERY
    # The same report with the sides exchanged has a loss.
    for one in (report["queries"][0]["ndcg@10"], report["queries"][0]["hits"]):
        one["baseline"], one["endpoint"] = one["endpoint"], one["baseline"]
    (tmp_path / "report.json").write_text(json.dumps(report))
    page.set_input_files("#report-file", tmp_path / "report.json")
    page.wait_for_selector(".losses li")
    assert "Worst losses of 1 query (ndcg@10)" in page.inner_text("#report")
    page.click(".losses >> text=Both orders")
    assert page.locator(".orders li").all_inner_texts()[:1] == ["answer"]
    page.click(".losses a")
    page.wait_for_selector("#reranked-hits li.hit")
    assert page.input_value("#compare-query") == QUERY


def test_marks_are_judged_and_deleted_by_keyboard(page: Page) -> None:
    compare(page)
    page.focus("#reranked-hits .title >> nth=0")
    page.keyboard.press("b")
    page.keyboard.press("b")
    assert page.locator(".hit[data-mark='0']").count() == 0
    page.keyboard.press("b")
    page.focus("nav a >> nth=2")
    page.keyboard.press("Enter")
    tab_to(page, "#marks a")
    tab_to(page, "#marks .quiet")
    page.on("dialog", lambda dialog: dialog.accept())
    page.keyboard.press("Enter")
    assert "There are none yet." in page.inner_text("#marks")


def test_a_file_that_is_no_report_is_named(page: Page, tmp_path: Path) -> None:
    page.click("nav >> text=Judge")
    (tmp_path / "report.html").write_text("<html>")
    page.set_input_files("#report-file", tmp_path / "report.html")
    page.wait_for_selector("#judge-error h3")
    assert "es-rerank eval --json report.json" in page.inner_text("#judge-error")


# ---- status ----


def test_the_status_shows_servers_reasons_and_rules_and_hides_secrets(page: Page, endpoint: Endpoint) -> None:
    endpoint.search(INDEX, {"query": {"match": {"body": QUERY}}})
    endpoint.search(INDEX, {"query": {"match": {"body": QUERY}}, "sort": ["_doc"]})
    tab_to(page, "nav a[href='#status']")
    page.keyboard.press("Enter")
    page.wait_for_selector(".tiles")
    shown = page.inner_text("#status-answer")
    for text in (
        "intfloat/multilingual-e5-small",
        "profile e5, for trying",
        "healthy",
        "passed",
        "reachable",
        "3 of 3",
    ):
        assert text in shown
    means, do = REASONS[Why.SORT]
    assert re.search(rf"sort\s+skipped\s+\d+\s+\d+ \w+ ago\s+/{INDEX}/_search", shown)
    assert means in shown
    assert do in shown
    tab_to(page, "#status-answer summary")
    page.keyboard.press("Enter")
    assert "page-off" in page.inner_text("#status-answer dl:visible >> nth=1")
    page.click("#status-answer summary >> text=All settings")
    # An update keeps open what is open.
    with page.expect_response("**/_rerank/status"):
        page.click("#status-refresh")
    assert "reranker_api_key" in page.inner_text("#status-answer")
    assert SECRET not in page.content()


# ---- all views ----


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_every_view_is_accessible(
    scheme: Literal["light", "dark"], size: tuple[int, int], endpoint: Endpoint, browser: Browser
) -> None:
    with opened(browser, f"{endpoint.admin_listen}/_rerank/", size, scheme) as page:
        page.locator("#scenarios button").nth(3).click()
        page.wait_for_selector("#playground-results li.ranked")
        page.evaluate("for (const one of document.querySelectorAll('#view-playground details')) one.open = true")
        check_accessible(page)
        compare(page)
        page.evaluate("for (const one of document.querySelectorAll('#view-compare details')) one.open = true")
        check_accessible(page)
        page.focus("#reranked-hits .title >> nth=0")
        page.keyboard.press("g")
        page.keyboard.press("Enter")
        check_accessible(page)
        page.keyboard.press("Escape")
        compare(page, "garden hose", MANY, size="50")
        check_accessible(page)
        page.click("nav >> text=Judge")
        check_accessible(page)
        page.click("nav >> text=Status")
        page.wait_for_selector(".tiles")
        page.evaluate("for (const one of document.querySelectorAll('#view-status details')) one.open = true")
        check_accessible(page)
        page.click("#access-open")
        page.select_option("#access-kind", "basic")
        check_accessible(page)


def test_documents_in_arabic_are_read_from_right_to_left(page: Page) -> None:
    page.locator("#scenarios button").nth(3).click()
    page.wait_for_selector("#playground-results li.ranked")
    directions = "nodes => nodes.map(node => getComputedStyle(node).direction)"
    assert set(page.locator("li.ranked [dir=auto]").evaluate_all(directions)) == {"rtl"}
    assert page.evaluate("getComputedStyle(document.getElementById('playground-query')).direction") == "rtl"


def test_signing_in_sends_the_credentials_of_the_tab(page: Page) -> None:
    page.click("#access-open")
    page.select_option("#access-kind", "basic")
    page.fill("#access-secret", "me:pässword")
    with page.expect_request("**/_rerank/status") as sent:
        page.click("#access-form .primary")
    assert sent.value.header_value("authorization") == "Basic bWU6cMOkc3N3b3Jk"
    assert page.inner_text("#access-open") == "Signed in: password"
    assert page.evaluate("JSON.stringify([localStorage, location.href])").find("me:p") < 0
