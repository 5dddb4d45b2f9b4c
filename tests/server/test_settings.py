"""Settings come from options, then the environment, then defaults, and are checked at start."""

from __future__ import annotations

from pathlib import Path

import pytest

from safepoint import InvalidInput, Limits
from safepoint_server.settings import TOOLSETS, Settings
from safepoint_server.tools import BY_TOOLSET
from safepoint_server.variables import VARIABLES


def test_nothing_set_gives_the_defaults() -> None:
    settings = Settings.load({})
    assert settings.limits == Limits()
    assert settings.key_file is None
    assert settings.passphrase is None
    assert (settings.log, settings.log_format, settings.toolsets) == ("info", "text", ("core",))
    assert settings.cache_bytes == 256 << 20
    assert settings.max_request_bytes == 20 << 20
    assert settings.warnings == ()


def test_the_environment_is_read() -> None:
    settings = Settings.load(
        {
            "SAFEPOINT_STORE": "memory://",
            "SAFEPOINT_KEY_FILE": "/keys/one",
            "SAFEPOINT_LOG": "DEBUG",
            "SAFEPOINT_LOG_FORMAT": "json",
            "SAFEPOINT_MAX_STATE_BYTES": "2 MiB",
            "SAFEPOINT_MAX_LEASE_SECONDS": "60",
            "SAFEPOINT_CACHE_BYTES": "1048576",
        }
    )
    assert settings.store == "memory://"
    assert settings.key_file == Path("/keys/one")
    assert (settings.log, settings.log_format) == ("debug", "json")
    assert settings.limits.state_bytes == 2 << 20
    assert settings.limits.lease_max.total_seconds() == 60
    assert settings.cache_bytes == 1 << 20
    assert Settings.load({"SAFEPOINT_HOOKS": "no-messages"}).hooks == "no-messages"


def test_options_win_over_the_environment() -> None:
    environ = {
        "SAFEPOINT_STORE": "/a",
        "SAFEPOINT_PASSPHRASE": "correct horse",
        "SAFEPOINT_LOG": "error",
    }
    settings = Settings.load(environ, store="/b", key_file="/k", log="debug")
    assert (settings.store, settings.key_file, settings.log) == ("/b", Path("/k"), "debug")
    assert settings.passphrase is None


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.load({variable.name: "" for variable in VARIABLES}) == Settings.load({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAFEPOINT_LOG", "loud"),
        ("SAFEPOINT_LOG_FORMAT", "xml"),
        ("SAFEPOINT_TOOLSETS", "core,histroy"),
        ("SAFEPOINT_TOOLSETS", ","),
        ("SAFEPOINT_MAX_STATE_BYTES", "lots"),
        ("SAFEPOINT_MAX_STATE_BYTES", "-1"),
        ("SAFEPOINT_MAX_STATE_BYTES", "9999GiB"),
        ("SAFEPOINT_MAX_STEPS", "1e3"),
        ("SAFEPOINT_MAX_REQUEST_BYTES", "10"),
        ("SAFEPOINT_HOOKS", "sometimes"),
        ("SAFEPOINT_HOOK_SECONDS", "0"),
        ("SAFEPOINT_HOOK_SECONDS", "1.5"),
    ],
)
def test_a_wrong_value_is_refused_with_the_variable_and_the_rule(name: str, value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Settings.load({name: value})
    assert name in refused.value.message
    assert refused.value.code == "invalid_setting"
    assert refused.value.hint


def test_two_ways_to_open_the_store_are_refused() -> None:
    with pytest.raises(InvalidInput, match="SAFEPOINT_KEY_FILE and SAFEPOINT_PASSPHRASE"):
        Settings.load({"SAFEPOINT_KEY_FILE": "/k", "SAFEPOINT_PASSPHRASE": "p"})


def test_an_unknown_variable_is_warned_about_with_the_closest_known_one() -> None:
    (warning,) = Settings.load({"SAFEPOINT_STOER": "/x", "HOME": "/root"}).warnings
    assert "SAFEPOINT_STOER" in warning
    assert "SAFEPOINT_STORE?" in warning


def test_the_passphrase_is_in_no_representation() -> None:
    assert "hunter2" not in repr(Settings.load({"SAFEPOINT_PASSPHRASE": "hunter2"}))


def test_every_variable_is_described_once() -> None:
    names = [variable.name for variable in VARIABLES]
    assert len(set(names)) == len(names)
    assert all(variable.default and variable.meaning.endswith(".") for variable in VARIABLES)


def test_the_toolsets_that_can_be_chosen_are_those_that_exist() -> None:
    assert set(TOOLSETS) == set(BY_TOOLSET)


@pytest.mark.parametrize(
    "value",
    [
        "${SAFEPOINT_PASSPHRASE}",
        "$SAFEPOINT_PASSPHRASE",
        "${env:X}",
        "${input:safepoint-passphrase}",
    ],
)
def test_a_placeholder_that_a_client_did_not_fill_in_is_no_passphrase(value: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Settings.load({"SAFEPOINT_PASSPHRASE": value})
    assert caught.value.code == "invalid_setting"
    assert "whoever starts this was to put the value in" in caught.value.message


@pytest.mark.parametrize("value", ["costs $5 ${a} lot", "$ecret horse", "{horse}", "a$SAFEPOINT_X"])
def test_a_passphrase_with_such_characters_is_one(value: str) -> None:
    assert Settings.load({"SAFEPOINT_PASSPHRASE": value}).passphrase == value
