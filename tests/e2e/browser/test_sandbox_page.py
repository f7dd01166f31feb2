"""The sandbox's page, as somebody sees and uses it."""

import urllib.error
import urllib.request
from functools import partial

import orjson
import pytest

from planhat_api.resources import RESOURCES
from planhat_sandbox.demo import sample
from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.server import running
from planhat_sandbox.tenant.directory import NAMES
from planhat_sandbox.tenant.tenant import Tenant, stamp

ROWS = {"tasks": 120, "conversations": 30, "campaigns": 20, "nps": 15}


@pytest.fixture
def sandbox():
    """A sandbox with sample data."""
    tenant = Tenant(SandboxOptions(steady=True))
    fill = partial(sample.fill, now=tenant.clock(), rows=ROWS)
    with running(Tenant(SandboxOptions(steady=True), sample=fill)) as started:
        yield started


@pytest.fixture
def call(sandbox):
    """Call Planhat's API; returns status and body."""

    def called(method, path, body=None):
        request = urllib.request.Request(
            sandbox.url + path,
            None if body is None else orjson.dumps(body),
            {"Authorization": "Bearer hush-hush"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    return called


@pytest.fixture
def page(browser, sandbox):
    """The page, open."""
    browser.open(sandbox.url)
    browser.one("#rows details")
    return browser


def titles(page):
    return page.texts("#rows summary > :first-child")


def tab(page, name):
    page.one(f"#tab-{name}").click()
    return page.one(f"#{name}")


def press(page, text):
    page.until(
        lambda: next((item for item in page.all("button") if item.text == text), None), text
    ).click()


def flip(page, name):
    """Flip the switch of a fault."""
    label = next(item for item in page.all("#switches label") if item.text.startswith(name))
    label.click()


def choose(page, selector, value):
    page.one(f'{selector} option[value="{value}"], {selector}').click()
    page.run(
        "const s = document.querySelector(arguments[0]); s.value = arguments[1];"
        "s.dispatchEvent(new Event('change'))",
        selector,
        value,
    )


def fill(page, selector, text):
    field = page.one(selector)
    field.clear()
    field.send_keys(text)


def test_it_fits_every_window_loads_nothing_from_elsewhere_and_raises_no_error(
    browser, sandbox, call, window, tmp_path
):
    call("PUT", "/tasks", [{"sourceId": "x" * 500, "action": "y" * 500}])
    browser.open(sandbox.url, **window)
    browser.one("#rows summary").click()
    for name in ("records", "calls", "faults"):
        tab(browser, name)
        if name == "calls":
            browser.one("#log summary").click()
            browser.one("#log pre")
        assert browser.overflow() <= 0, name
        assert browser.picture(tmp_path / f"{name}.png").stat().st_size > 5000
    assert browser.complaints() == []
    assert {url.split("#")[0] for url in browser.requested() if url.startswith("http")} <= {
        f"{sandbox.url}/{path}"
        for path in (
            "",
            "__sandbox/state",
            "__sandbox/latest",
            "__sandbox/latest/1",
            "__sandbox/records/tasks?search=&offset=0&limit=50",
        )
    }


def test_it_shows_the_records_of_each_list_newest_first(page, sandbox):
    counts = dict(chip.text.split() for chip in page.all("#lists button"))
    assert set(counts) == NAMES
    assert (counts["tasks"], counts["companies"]) == ("120", "60")
    for name, table in sandbox.tenant.tables.items():
        page.one(f"#lists [data-list={name}]").click()
        newest = list(table.rows)[::-1][:50]
        page.until(lambda newest=newest: ids(page) == newest, name)


def ids(page):
    return page.texts("#rows .mono")


def test_it_turns_pages_opens_records_and_searches(page, sandbox, call):
    keys = list(sandbox.tenant.tables["tasks"].rows)[::-1]
    page.one("#older").click()
    page.until(lambda: ids(page) == keys[50:100])
    assert page.one("#place").text == "51 to 100"
    page.one("#older").click()
    page.until(lambda: ids(page) == keys[100:])
    assert not page.one("#older").is_enabled()
    page.one("#newer").click()
    page.until(lambda: ids(page) == keys[50:100])
    company = next(iter(sandbox.tenant.companies))
    call(
        "PUT", "/tasks", [{"sourceId": "s", "action": 'Say "Høi" <b>now</b>', "companyId": company}]
    )
    fill(page, "#search", '"hØI" <B>')
    page.until(lambda: titles(page) == ['Say "Høi" <b>now</b>'], "the record that is searched for")
    page.one("#rows summary").click()
    shown = orjson.loads(page.one("#rows pre").text)
    assert shown == orjson.loads(list(sandbox.tenant.tables["tasks"].rows.values())[-1])
    fill(page, "#search", "no such text")
    page.until(lambda: page.one("#rows").text == "No records.")


def test_a_record_that_is_written_appears_by_itself(page, sandbox, call):
    company = next(iter(sandbox.tenant.companies))
    call("PUT", "/tasks", [{"sourceId": "s", "action": "Brand new", "companyId": company}])
    page.until(lambda: "Brand new" in titles(page))
    assert page.one("#lists button").text.split() == ["tasks", "121"]


def test_it_shows_calls_with_what_was_sent_and_answered(page, sandbox, call):
    tab(page, "calls")
    company = next(iter(sandbox.tenant.companies))
    call("GET", "/tasks?limit=2&sort=-_id")
    call("PUT", "/tasks", [{"sourceId": "a", "companyId": company}, {"sourceId": "b"}])
    page.until(lambda: len(page.all("#log summary")) == 2)
    newest, older = (item.text.split("\n") for item in page.all("#log summary"))
    assert newest[:4] == ["PUT", "206", "/tasks", "1 created, 1 failed"]
    assert older[:4] == ["GET", "200", "/tasks?limit=2&sort=-_id", "2 rows"]
    page.one("#log summary").click()
    page.until(lambda: len(page.all("#log pre")) == 2)
    sent, answered = (orjson.loads(item.text) for item in page.all("#log pre"))
    assert sent == [{"sourceId": "a", "companyId": company}, {"sourceId": "b"}]
    assert answered["created"] == 1
    call("GET", "/nps")
    page.until(lambda: len(page.all("#log summary")) == 3)
    assert len(page.all("#log pre")) == 2, "what was opened stays open"
    assert "hush" not in page.driver.page_source, "the token is not shown"


def test_a_switch_turns_a_fault_on_and_off(page, call):
    tab(page, "faults")
    flip(page, "Server error")
    page.until(lambda: page.one("#rules").text.startswith("Server error: any call, every time"))
    assert page.one("#active").text == "1"
    assert [call("GET", "/tasks")[0] for _ in range(2)] == [500, 500]
    flip(page, "Server error")
    page.until(lambda: not page.all("#rules li"))
    assert call("GET", "/tasks")[0] == 200


def test_a_fault_is_for_the_calls_that_were_chosen(page, call):
    tab(page, "faults")
    choose(page, "#fault-list", "nps")
    choose(page, "#fault-method", "GET")
    choose(page, "#fault-count", "1")
    flip(page, "No permission")
    page.until(lambda: page.one("#rules").text.startswith("No permission: GET to nps, 1 more"))
    assert call("GET", "/tasks")[0] == 200
    assert [call("GET", "/nps")[0] for _ in range(2)] == [403, 200]
    page.until(lambda: not page.all("#rules li"), "a fault that is used up goes")
    flip(page, "Too many requests")
    page.until(lambda: page.all("#rules li"))
    press(page, "Remove")
    page.until(lambda: not page.all("#rules li"))
    assert call("GET", "/nps")[0] == 200


@pytest.mark.parametrize("name", ["Server error", "Too many requests", "Not there", "Not JSON"])
def test_every_kind_of_fault_reaches_the_caller(page, call, name):
    tab(page, "faults")
    flip(page, name)
    page.until(lambda: page.all("#rules li"))
    status, body = call("GET", "/tasks")
    expected = {"Server error": 500, "Too many requests": 429, "Not there": 404, "Not JSON": 200}
    assert status == expected[name]
    assert (name != "Not JSON") or not body.startswith(b"[")


def test_all_switches_are_faults_that_the_sandbox_knows(page, sandbox):
    tab(page, "faults")
    choose(page, "#fault-list", "tasks")
    for item in page.all("#switches label"):
        item.click()
    count = len(page.all("#switches label"))
    assert count > 10
    page.until(lambda: len(sandbox.control.faults.rules) == count)
    page.until(lambda: len(page.all("#rules li")) == count)
    assert not page.one("#rules").text.count("{"), "each is told by its name"


def test_latency_errors_and_the_rate_limit_are_set(page, sandbox):
    tab(page, "faults")
    for name, value in (("latency_ms", "7"), ("error_rate", "5"), ("rate_limit", "1000")):
        fill(page, f"[name={name}]", value)
    press(page, "Apply")
    page.until(lambda: sandbox.tenant.options.latency_ms == 7)
    options = sandbox.tenant.options
    assert (options.error_rate, options.rate_limit) == (0.05, 1000)
    page.one("[name=rate_limit]").clear()
    press(page, "Apply")
    page.until(lambda: sandbox.tenant.options.rate_limit is None)


def test_records_change_once_or_with_the_calls(page, sandbox, call):
    tab(page, "faults")
    fill(page, "#changes [name=insert]", "3")
    press(page, "Once, now")
    page.until(lambda: len(sandbox.tenant.tables["tasks"].rows) == 123)
    press(page, "Start")
    page.until(lambda: page.one("#changing").text.startswith("tasks: insert 3, update 1, every 1"))
    call("GET", "/tasks")
    assert len(sandbox.tenant.tables["tasks"].rows) == 126
    press(page, "Remove")
    page.until(lambda: not sandbox.control.changes)


def test_a_reset_of_records_asks_once_more(page, sandbox, call):
    first = {name: dict(table.rows) for name, table in sandbox.tenant.tables.items()}
    call("GET", "/tasks")
    tab(page, "faults")
    press(page, "Delete all records")
    press(page, "Click again to do it")
    page.until(lambda: not any(table.rows for table in sandbox.tenant.tables.values()))
    press(page, "Start over with the first records")
    press(page, "Click again to do it")
    page.until(lambda: len(sandbox.tenant.tables["tasks"].rows) == 120)
    assert {name: dict(table.rows) for name, table in sandbox.tenant.tables.items()} == first
    assert sandbox.control.calls == []


def test_an_error_of_the_sandbox_is_shown(page, sandbox):
    tab(page, "faults")
    choose(page, "#changes [name=resource]", "nps")
    fill(page, "#changes [name=archive]", "1")
    press(page, "Start")
    page.until(lambda: page.one("#problem").text == "nps are never archived")
    assert sandbox.control.changes == []


def test_markup_in_a_record_is_text(browser, sandbox):
    table = sandbox.tenant.tables["tasks"]
    evil = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"
    now = stamp(sandbox.tenant.clock())
    table.put({"_id": "f" * 24, "action": evil, "companyName": evil, "updatedAt": now})
    browser.open(sandbox.url)
    browser.one("#rows summary").click()
    browser.one("#rows pre")
    assert titles(browser)[0] == evil
    assert browser.run("return document.title") == "Planhat sandbox"
    assert browser.complaints() == []


def test_a_page_of_another_site_changes_nothing(browser, sandbox, tmp_path):
    evil = tmp_path / "evil.html"
    evil.write_text(f"""<title>Evil</title><script>
      const send = (path, method, headers) => fetch("{sandbox.url}" + path, {{
        method, headers, mode: headers ? "cors" : "no-cors", body: "[]" }}).catch(() => 0);
      Promise.all([send("/__sandbox/reset", "POST"), send("/__sandbox/faults", "POST"),
        send("/tasks", "POST"), send("/tasks", "PUT", {{ Authorization: "Bearer x" }})])
        .then(() => {{ document.title = "sent" }});
    </script><form action="{sandbox.url}/__sandbox/reset" method="post" enctype="text/plain">
    <input name='{{"rows":true,"x":"' value='"}}'><button>Win</button></form>""")
    browser.open(evil.as_uri())
    browser.until(lambda: browser.run("return document.title") == "sent")
    browser.one("button").click()
    browser.until(lambda: "another site" in browser.one("body").text)
    assert {name: len(table.rows) for name, table in sandbox.tenant.tables.items()} == ROWS
    assert set(ROWS) == set(RESOURCES)
