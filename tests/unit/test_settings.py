"""Every setting there is stands in development.ini, with a word on what it is for."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import pytest

from donkies.config.settings import OF_ATRIUM, OPTIONS, BadSettings, Settings, parse_settings

INI = Path(__file__).parents[2] / "development.ini"
NAMES = {str(field.alias) for field in Settings.model_fields.values()} - {OPTIONS}


def ini() -> dict[str, str]:
    parser = ConfigParser(interpolation=None)
    parser.read(INI)
    return {key: value for key, value in parser["app:main"].items() if key.startswith("donkies.")}


def test_every_setting_stands_in_development_ini_and_no_other() -> None:
    assert NAMES == set(ini())


def test_every_setting_there_has_a_comment() -> None:
    lines = INI.read_text().splitlines()
    # one comment may stand above a group of settings
    without = [
        line for at, line in enumerate(lines)
        if line.startswith("donkies.")
        and not next(one for one in reversed(lines[:at]) if not one.startswith("donkies.")).startswith("#")
    ]  # fmt: skip
    assert [] == without


def test_development_ini_can_be_used_as_it_is() -> None:
    assert "development" == parse_settings(ini(), {}).env


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_setting_can_be_given_by_the_environment(name: str) -> None:
    variable = name.upper().replace(".", "_")
    given = ini()
    value = given.pop(name)
    assert parse_settings(ini(), {}) == parse_settings(given, {variable: value})


@pytest.mark.parametrize(
    "name",
    [*OF_ATRIUM, *sorted(str(field.alias) for field in Settings.model_fields.values() if field.is_required())],
)
def test_a_missing_setting_is_named_with_its_variable_in_one_line(name: str) -> None:
    given = ini()
    del given[name]
    with pytest.raises(BadSettings) as refused:
        parse_settings(given, {})
    text = str(refused.value)
    assert text.startswith(f"{name}: not set")
    assert name.upper().replace(".", "_") in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("donkies.env", "canary"),
        ("donkies.public_url", "canary"),
        ("donkies.database_url", "canary"),
        ("donkies.link.deadline_s", "canary"),
        ("donkies.link.deadline_s", "-1"),
        ("donkies.aggregator.web_calls", "0"),
        ("donkies.sandbox.port", "70000"),
        ("donkies.atrium.url", "canary"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not(name: str, value: str) -> None:
    with pytest.raises(BadSettings) as refused:
        parse_settings(ini() | {name: value}, {})
    assert str(refused.value).startswith(f"{name}: ")
    assert "canary" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadSettings, match=r"donkies\.no_such: there is no such setting"):
        parse_settings(ini() | {"donkies.no_such": "1"}, {})


def test_settings_of_others_are_left_alone() -> None:
    assert parse_settings(ini(), {}) == parse_settings(ini() | {"pyramid.reload": "true"}, {})


def test_no_representation_shows_a_secret() -> None:
    given = ini() | {
        "donkies.sealing_keys": "canary",
        "donkies.atrium.api_key": "canary",
        "donkies.atrium.client_id": "canary",
        "donkies.database_url": "postgresql://me:canary@host/db",
        "donkies.broker_url": "amqp://me:canary@host//",
    }
    assert "canary" not in repr(parse_settings(given, {}))


def test_what_wants_a_recent_log_in_is_named_in_words() -> None:
    for words in ("", "email", "link  delete"):
        assert words == parse_settings(ini() | {"donkies.step_up.for": words}, {}).step_up_for
    for words in ("email everything", "emaillink", "none"):
        with pytest.raises(BadSettings, match=r"^donkies\.step_up\.for: "):
            parse_settings(ini() | {"donkies.step_up.for": words}, {})


def test_what_is_atriums_need_not_be_set_for_another_aggregator() -> None:
    given = {name: value for name, value in ini().items() if name not in OF_ATRIUM}
    assert () == parse_settings(given | {"donkies.aggregator": "csv"}, {}).widget_origins


def test_options_of_an_aggregator_come_from_the_ini_file_the_environment_and_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("canary\n")
    given = {"donkies.aggregator": "csv", f"{OPTIONS}.folder": "/banks", f"{OPTIONS}.delay_s": 3}
    start = "DONKIES_AGGREGATOR_OPTIONS_"
    environ = {f"{start}FOLDER": "/others", f"{start}API_KEY_FILE": str(tmp_path / "key")}
    settings = parse_settings(ini() | given, environ)
    options = {name: value.get_secret_value() for name, value in settings.aggregator_options.items()}
    assert {"folder": "/others", "delay_s": "3", "api_key": "canary"} == options
    assert "canary" not in repr(settings)


def test_options_for_an_aggregator_that_takes_none_are_refused_by_name() -> None:
    with pytest.raises(BadSettings, match=r"^donkies\.aggregator\.options\.folder: atrium takes no options"):
        parse_settings(ini() | {f"{OPTIONS}.folder": "canary"}, {})
