"""Links and paths lead somewhere; no example is one that nobody runs."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN = {
    "console": "test_console.py",
    "sql": "test_sql.py",
    "yaml": "test_recipes.py, test_meltano.py",
    "json": "test_recipes.py",
    "python": "test_python.py",
    "sh": "tests/e2e/meltano/test_add.py",
}
"""Language of an example -> what runs it."""
NOT_RUN = {"README.md": {"mermaid"}}
"""GitHub draws it."""
ON_GITHUB = "../../actions/"
"""What GitHub, and nothing in the tree, has above a repository's files."""


def _anchors(text):
    """Return the names that GitHub gives to the headings of a page."""
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}


def test_every_workflow_that_the_readme_links_to_exists(page_named):
    linked = re.findall(rf"{re.escape(ON_GITHUB)}workflows/([\w.-]+)", page_named("README.md").text)
    assert linked
    assert all((ROOT / ".github" / "workflows" / name).exists() for name in linked)


def test_the_readme_fits_in_170_lines(page_named):
    assert len(page_named("README.md").text.splitlines()) <= 170


def test_every_link_of_a_page_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)]+)\)", page.text):
        if "://" in link or link.startswith(ON_GITHUB):
            continue
        path, _, anchor = link.partition("#")
        target = page.path.parent / path if path else page.path
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target.read_text()), link


def test_every_page_is_linked_from_the_readme(page, page_named):
    name = page.path.relative_to(ROOT).as_posix()
    assert name == "README.md" or f"]({name})" in page_named("README.md").text


def test_every_example_of_a_page_is_run(page):
    languages = set(re.findall(r"^```(.+)$", page.text, re.MULTILINE))
    assert languages <= RUN.keys() | NOT_RUN.get(page.path.name, set())
    assert len(re.findall(r"^```$", page.text, re.MULTILINE)) == sum(
        len(page.blocks(language)) for language in languages
    )
    if page.path.name != "mapping.md":
        assert not page.blocks("json")
