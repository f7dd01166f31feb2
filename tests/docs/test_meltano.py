"""What a page shows of a meltano.yml is what Meltano, and the connectors, understand."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import jsonschema
import meltano.schemas
import pytest
import yaml

from planhat_api.resources import RESOURCES

ROOT = Path(__file__).parents[2]
MINE = yaml.safe_load((ROOT / "meltano.yml").read_text())
SCHEMA = json.loads(Path(meltano.schemas.__file__).with_name("meltano.schema.json").read_text())


def _fragments(page):
    found = map(yaml.safe_load, page.blocks("yaml"))
    return [fragment for fragment in found if "stream_maps" not in fragment]


def test_fragments_fit_meltanos_schema(page_with_yaml, meltano_folder, tmp_path):
    for number, fragment in enumerate(_fragments(page_with_yaml)):
        folder = tmp_path / str(number)
        folder.mkdir()
        jsonschema.validate(meltano_folder(folder, fragment), SCHEMA)


@pytest.fixture
def dump(tmp_path, unmeasured):
    """What Meltano gives a plugin of the project in the folder."""

    def run(*arguments, **variables):
        done = subprocess.run(
            ["meltano", *arguments],
            cwd=tmp_path,
            env={**unmeasured, **variables, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def catalog(page_named, meltano_folder, tmp_path, dump):
    """The catalog of a plugin when fragments of pages are part of the project."""

    def make(*examples, plugin="tap-planhat"):
        fragments = [_fragments(page_named(name))[number] for name, number in examples]
        meltano_folder(tmp_path, *fragments)
        found = dump("invoke", "--dump=catalog", plugin, TAP_PLANHAT_API_TOKEN="none")
        streams = found["streams"]
        return {
            stream["tap_stream_id"]: {
                ".".join(item["breadcrumb"][1:]): item["metadata"] for item in stream["metadata"]
            }
            for stream in streams
        }

    return make


def test_the_columns_and_the_replication_key_shown_are_those_that_are_read(catalog):
    found = catalog(("docs/streams.md", 1), ("docs/incremental.md", 0))
    selected = {
        stream: {
            name
            for name, item in metadata.items()
            if name and (item.get("selected") or item.get("inclusion") == "automatic")
        }
        for stream, metadata in found.items()
        if metadata[""].get("selected")
    }
    assert selected["tasks"] == {*RESOURCES["tasks"].properties, "other"} - {"description"}
    assert selected["nps"] == {"_id", "score", "dateAnswered"}
    assert selected.keys() == {"tasks", "nps"}
    keys = {name: metadata[""].get("replication-key") for name, metadata in found.items()}
    assert keys == {
        "deletions": None,
        "campaigns": "_id",
        "conversations": "updatedAt",
        "nps": "dateAnswered",
        "tasks": "updatedAt",
    }


@pytest.mark.parametrize(
    ("name", "number", "plugin"),
    [("docs/incremental.md", 1, "tap-planhat"), ("docs/operating.md", 0, "tap-planhat-full")],
)
def test_the_full_table_shown_is_one_of_every_stream(catalog, name, number, plugin):
    found = catalog((name, number), plugin=plugin)
    methods = {metadata[""]["replication-method"] for metadata in found.values()}
    assert methods == {"FULL_TABLE"}


def test_a_tenant_of_ones_own_is_reached_as_the_readme_says(
    page_named, meltano_folder, tmp_path, dump
):
    text = page_named("README.md").text
    place, job = re.search(r"meltano --environment=(\w+) run ([\w-]+)`", text).groups()
    assert job in {each["name"] for each in MINE["jobs"]}
    meltano_folder(tmp_path, {"environments": MINE["environments"]})
    example = (ROOT / ".env.example").read_text()
    filled = example.replace("API_TOKEN=", "API_TOKEN=mine").replace(
        "# TAP_PLANHAT_R", "TAP_PLANHAT_R"
    )
    (tmp_path / ".env").write_text(filled)
    config = dump(f"--environment={place}", "invoke", "--dump=config", "tap-planhat")
    assert (config["api_token"], config["region"]) == ("mine", "eu2")
    assert "api_url" not in config
