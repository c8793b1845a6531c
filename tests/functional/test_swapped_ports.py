"""The application with every small port swapped for the kit's double, by role: it does what it always does."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from donkies.domain.errors import Invalid
from donkies.domain.factor_keeping import FactorService
from donkies.domain.health import Backlog
from donkies.domain.social import SocialAnswer
from donkies.testing import doubles
from donkies.testing.aggregator import ScriptedAggregator
from donkies.testing.app import (
    DonkiesTestApp,
    bearer,
    get_tokens,
    log_in,
    make_client,
    make_person,
    refresh,
)
from donkies.testing.links import PersonAtTheApi
from donkies.testing.social import begin

ADA = SocialAnswer(provider="google", subject="110", email="ada@people.example", first_name="Ada", last_name="B")


@pytest.fixture
def database_url(donkies_sqlite: Any, tmp_path: Path) -> str:
    return donkies_sqlite.fresh(tmp_path)  # the stores are as they always are


@pytest.fixture
def roles(donkies_clock: doubles.MovableClock) -> dict[str, Any]:
    revocations = doubles.MemoryRevocations()
    return {
        "clock": donkies_clock,
        "database_probe": doubles.ScriptedProbe(),
        "events": doubles.RecordingEvents(),
        "password_hasher": doubles.QuickHasher(),
        "known_passwords": doubles.ListedPasswords("password"),
        "devices": doubles.MemoryDevices(),
        "limits": doubles.MemoryLimits(),
        "signing_keys": doubles.MemorySigningKeys(donkies_clock),
        "revocations": revocations,
        "access_tokens": doubles.MemoryAccessTokens(donkies_clock, revocations),
        "token_seal": doubles.OpenSeal(),
        "letter_press": doubles.PlainLetterPress(),
        "postman": doubles.RecordingPostman(),
        "logo_source": doubles.ListedLogos({}),
        "leftovers": doubles.NoLeftovers(),
        "social_providers": doubles.ScriptedProviders(ADA),
        "passkey_ceremony": doubles.ScriptedCeremony(),
        "one_time_codes": doubles.ListedCodes(),
        "aggregator": ScriptedAggregator("CONNECTED"),
        "backlog": doubles.ScriptedBacklog(Backlog()),
        "neighbours": doubles.ScriptedNeighbours(broker="degraded"),
    }


@pytest.fixture
def app(make_testapp: Any, settings: dict[str, Any], roles: dict[str, Any]) -> DonkiesTestApp:
    settings |= {"donkies.link.look_s": 0.02, "donkies.sync.retry_s": 0.02}
    return make_testapp(**roles)


def test_a_person_signs_in_refreshes_and_links(app: DonkiesTestApp, roles: dict[str, Any]) -> None:
    person = make_person(app, password="four quiet words")
    client = make_client(app)
    log_in(app, person)
    tokens = get_tokens(app, client)
    assert tokens["access_token"].count(".") == 0, "the double's own"
    assert "id_token" in tokens
    tokens = refresh(app, client, tokens["refresh_token"], status=200).json
    at_the_api = PersonAtTheApi(app, bearer(tokens["access_token"]))
    assert "success" == at_the_api.settled(at_the_api.link())["link_status"]
    assert 30 == len(at_the_api.transactions())
    app.post("/oauth/revoke", {"token": tokens["refresh_token"], "client_id": client.id})
    at_the_api.get("/accounts", expect=401)
    assert {"link_made", "link_status_changed"} <= {event.name for event in roles["events"].told}


def test_somebody_comes_by_a_provider_that_follows_a_script(app: DonkiesTestApp) -> None:
    back = urlsplit(begin(app, "google"))
    page = app.get(f"{back.path}?{back.query}").follow()
    assert "ada@people.example" == page.form["email"].value


def test_mail_goes_out_in_the_doubles_words(app: DonkiesTestApp, roles: dict[str, Any]) -> None:
    person = make_person(app, password="four quiet words")
    form = app.get("/password/forgot").form
    form["email"] = person.email
    form.submit()
    assert [person.email] == [mail.to for mail in app.mails(person.email)]
    assert {"reset_password"} == {mail.subject for mail in roles["postman"].sent}


def test_the_state_of_everything_is_what_the_script_says(app: DonkiesTestApp, roles: dict[str, Any]) -> None:
    assert "degraded" == app.get("/readyz", status=200).json["broker"]
    roles["database_probe"].says = "down"
    assert "down" == app.get("/readyz", status=503).json["database"]


def test_a_second_factor_is_the_listed_code_and_a_guess_is_not(app: DonkiesTestApp) -> None:
    person = make_person(app, password="four quiet words")
    with app.service(FactorService) as factors:
        factors.begin_app(person.id)
        with pytest.raises(Invalid):
            factors.confirm_app(person.id, "000000")
        assert factors.confirm_app(person.id, "123456")
    assert "/login/second" in log_in(app, person).location
