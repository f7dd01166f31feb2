"""What a page shows of a meltano.yml is what Meltano, and the connectors, understand."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jsonschema
import meltano.schemas
import pytest
import yaml

from planhat_api.resources import RESOURCES

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
def catalog(page_named, meltano_folder, tmp_path, environment):
    """What Meltano gives a plugin when a fragment of a page is part of the project."""

    def make(*examples, plugin="tap-planhat"):
        fragments = [_fragments(page_named(name))[number] for name, number in examples]
        meltano_folder(tmp_path, *fragments)
        done = subprocess.run(
            ["meltano", "invoke", "--dump=catalog", plugin],
            cwd=tmp_path,
            env={**environment, "TAP_PLANHAT_API_TOKEN": "none", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        streams = json.loads(done.stdout)["streams"]
        return {
            stream["tap_stream_id"]: {
                ".".join(item["breadcrumb"][1:]): item["metadata"] for item in stream["metadata"]
            }
            for stream in streams
        }

    return make


def test_the_columns_and_the_replication_key_shown_are_those_that_are_read(catalog):
    found = catalog(("docs/streams.md", 0), ("docs/incremental.md", 0))
    selected = {
        stream: {
            name
            for name, item in metadata.items()
            if name and (item.get("selected") or item.get("inclusion") == "automatic")
        }
        for stream, metadata in found.items()
        if metadata[""].get("selected")
    }
    assert selected["tasks"] == set(RESOURCES["tasks"].properties) - {"description"}
    assert selected["nps"] == {"_id", "score", "dateAnswered"}
    assert selected.keys() == {"tasks", "nps"}
    keys = {name: metadata[""].get("replication-key") for name, metadata in found.items()}
    assert keys == {
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
