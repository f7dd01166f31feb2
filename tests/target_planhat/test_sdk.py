"""The SDK's private names that the target builds on, and the SDK's own suite for targets."""

from __future__ import annotations

import inspect
import logging
import signal
from pathlib import Path

import pytest
from singer_sdk.mapper import PluginMapper
from singer_sdk.plugin_base import BaseSingerReader, PluginBase
from singer_sdk.target_base import Target
from singer_sdk.testing import get_target_test_class
from singer_sdk.testing.runners import TargetTestRunner
from singer_sdk.testing.templates import TargetFileTestTemplate

from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Company
from target_planhat import sdk
from target_planhat.errors import RejectsError
from target_planhat.sdk import MessageTarget
from target_planhat.target import TargetPlanhat

COMPANY = "5f1b7a9e1a2b3c4d5e6f7a8b"
HANDLERS = (
    "_process_schema_message",
    "_process_record_message",
    "_process_state_message",
    "_process_activate_version_message",
    "_process_batch_message",
)


@pytest.mark.parametrize("name", HANDLERS)
def test_the_sdk_still_hands_messages_to_the_methods_we_override(name):
    assert name in inspect.getsource(BaseSingerReader.process_lines)
    assert list(inspect.signature(getattr(Target, name)).parameters) == ["self", "message_dict"]
    assert getattr(MessageTarget, name) is not getattr(Target, name)


def test_the_sdk_still_hands_signals_to_the_method_we_override():
    assert "self._handle_termination" in inspect.getsource(PluginBase._setup_signal_handlers)
    assert list(inspect.signature(Target._handle_termination).parameters) == [
        "self",
        "signum",
        "frame",
    ]


def test_the_sdk_still_evaluates_an_expression_of_a_map_that_is_not_parsed():
    mapper = PluginMapper({"stream_maps": {"a": {"x": "n + 1"}}}, logging.getLogger("maps"))
    mapper.register_raw_stream_schema("a", {"properties": {"n": {}}}, [])
    assert sdk.evaluate(mapper.stream_maps["a"][0], "x", "n + 1", {"n": 1}) == 2


def test_no_other_module_overrides_or_calls_what_is_private_in_the_sdk():
    own = set(HANDLERS) | {"_handle_termination", "._eval("}
    folder = Path(sdk.__file__).parent
    for path in folder.rglob("*.py"):
        if path.name != "sdk.py":
            text = path.read_text(encoding="utf-8")
            assert not [name for name in own if name in text], path.name
    private = {name for name in dir(Target) if name.startswith("_") and not name.startswith("__")}
    assert private & set(vars(TargetPlanhat)) == {"_abc_impl"}


@pytest.fixture(scope="module")
def sandbox():
    with running() as box:
        box.tenant.add_company(Company(COMPANY, "Acme"))
        yield box


@pytest.fixture
def target_settings(sandbox, tmp_path):
    # The suite's streams have names and columns of their own.
    return {
        "api_token": "t",
        "api_url": sandbox.url,
        "requests_per_minute": 100_000,
        "stream_maps": {"*": {"__alias__": "tasks", "companyId": f"'{COMPANY}'"}},
        "unknown_properties": "custom",
        "rejects_path": str(tmp_path / "rejects.singer"),
        "max_rejects": 1000,
    }


class TestStandardSuite(get_target_test_class(TargetPlanhat)):
    """The SDK's tests, each on its own settings; one asks for what we do better."""

    @pytest.fixture
    def runner(self, target_settings):
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        runner = TargetTestRunner(TargetPlanhat, config=target_settings)
        yield runner
        # What the SDK's runner leaves as it is.
        if runner._input is not None:
            runner._input.close()
        for number, handler in before.items():
            signal.signal(number, handler)

    def test_target_record_missing_key_property(self, runner):
        """The SDK's own test wants the whole run to fail of it; here it is one reject."""
        runner.config["max_rejects"] = 0
        template = TargetFileTestTemplate()
        template.name = "record_missing_key_property"
        runner.input_filepath = template.singer_filepath
        with pytest.raises(RejectsError):
            runner.sync_all()
        assert "key property id" in Path(runner.config["rejects_path"]).read_text(encoding="utf-8")

    def test_the_records_of_a_stream_arrive(self, sandbox, runner):
        template = TargetFileTestTemplate()
        template.name = "array_data"
        runner.input_filepath = template.singer_filepath
        runner.sync_all()
        rows = b"".join(sandbox.tenant.tables["tasks"].rows.values())
        assert all(f'"test_array_data:{number}"'.encode() in rows for number in range(1, 5))
