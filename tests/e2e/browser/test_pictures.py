"""Pictures of the documentation, as a browser shows them."""

from pathlib import Path

DEMO = Path(__file__).parents[3] / "docs" / "pictures" / "demo.svg"
WIDTHS = """return [...document.querySelectorAll("text")].map(
  (one) => one.getComputedTextLength() / one.textContent.length)"""


def test_the_columns_of_the_demo_stand_below_one_another(browser):
    browser.open(DEMO.as_uri())
    # Blanks take as much room as letters.
    widths = browser.run(WIDTHS)
    assert max(widths) - min(widths) < 0.1
