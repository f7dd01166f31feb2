"""The browser that pages are tested with sees what it has to see."""

PAGE = """<!doctype html><meta name=viewport content="width=device-width"><title>Page</title>
<style>p { width: %s } body { color: black } @media (prefers-color-scheme: dark) { body { color:
white } }</style><p>Text</p><button onclick="this.textContent = 'Pressed'; %s">Press</button>"""


def write(path, width="10px", script=""):
    page = path / "page.html"
    page.write_text(PAGE % (width, script))
    return page.as_uri()


def test_it_shows_a_page_at_a_size_and_in_a_scheme(browser, tmp_path, window):
    browser.open(write(tmp_path), **window)
    assert browser.run("return [innerWidth, innerHeight]") == list(window["size"])
    colour = browser.one("p").value_of_css_property("color")
    assert colour.startswith("rgba(255" if window["dark"] else "rgba(0")
    assert browser.overflow() == 0
    assert browser.complaints() == []


def test_it_notices_a_page_that_is_too_wide_fails_or_asks_others(browser, tmp_path):
    script = "fetch('http://127.0.0.1:9/'); throw Error('oh')"
    url = write(tmp_path, "3000px", script)
    browser.open(url)
    assert browser.overflow() > 1000
    browser.one("button").click()
    browser.until(lambda: browser.one("button").text == "Pressed")
    seen = []
    browser.until(lambda: seen.extend(browser.complaints()) or len(seen) >= 2)
    assert any("oh" in text for text in seen)
    assert browser.requested() == [url, "http://127.0.0.1:9/"]
