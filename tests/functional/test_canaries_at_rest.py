"""What is encrypted at rest, looked at as the database keeps it; and its keys changed while the service runs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from sqlalchemy import insert, select

from donkies.adapters.persistence.resealing import Resealing
from donkies.adapters.persistence.tables import banking, identity
from donkies.adapters.sealing import Keyring, Unsealable
from donkies.cli import main
from donkies.testing.app import DonkiesTestApp, make_person, sign_in
from donkies.testing.canaries import canary, database_dump, found_in
from donkies.testing.databases import SEALING_KEY as OLD
from donkies.testing.links import PersonAtTheApi

NEW = Keyring.new_key()


@pytest.fixture
def settings(settings, sandbox_server, sandbox):
    sandbox.history(10, 5)
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.link.look_s": 0.02,
    }


@pytest.fixture
def with_keys(settings):
    """Make the application with these sealing keys; the session's signing keys are put back at the end."""
    made = []

    def make(*keys):
        made.append(DonkiesTestApp(settings | {"donkies.sealing_keys": " ".join(keys)}))
        return made[-1]

    engine = make(OLD).engine()
    with engine.connect() as connection:
        kept = [dict(row) for row in connection.execute(select(identity.signing_keys)).mappings()]
    yield make
    with engine.begin() as connection:
        connection.execute(identity.signing_keys.delete())
        connection.execute(insert(identity.signing_keys), kept)
    for app in made:
        app.close()


def remember_answer(app, user_id, answer):
    now = datetime.now(UTC)
    row = {"provider": "google", "subject": canary("subject"), "user_id": user_id, "answer": answer}
    with app.engine().begin() as connection:
        connection.execute(insert(identity.external_identities), row | {"created_at": now, "updated_at": now})


def sealed_texts(app):
    """Everything that is encrypted, opened."""
    columns = [
        banking.aggregator_users.c.user_guid,
        banking.linked_accounts.c.member_guid,
        banking.member_removals.c.user_guid,
        banking.member_removals.c.member_guid,
        identity.signing_keys.c.private_key,
        identity.external_identities.c.answer,
    ]
    with app.engine().connect() as connection:
        return [text for column in columns for text in connection.execute(select(column)).scalars() if text]


def a_full_house(app):
    """One of each thing that is encrypted."""
    owner = make_person(app)
    person = PersonAtTheApi(app, sign_in(app, person=owner))
    kept, gone = person.link(), person.link(user_name="second_login")
    person.delete(f"/linked_accounts/{gone}", 204)
    remember_answer(app, owner.id, canary("social answer"))
    return person, kept


def test_guids_signing_keys_and_social_answers_are_nowhere_in_plain_text(with_keys):
    app = with_keys(OLD)
    a_full_house(app)
    texts = sealed_texts(app)
    assert 6 == len(texts)
    dump = database_dump(app.engine())
    assert b"external_identities" in dump
    assert [] == found_in(dump, texts)
    assert b"PRIVATE KEY" not in dump
    assert [] == [line for text in texts for line in text.splitlines() if len(line) > 30 and line.encode() in dump]


def test_keys_are_changed_while_the_service_runs_and_the_old_one_is_then_worth_nothing(with_keys):
    person, link = a_full_house(with_keys(OLD))
    before = sorted(sealed_texts(with_keys(OLD)))

    prepared = with_keys(OLD, NEW)  # step 1: still seals with the old key, opens both
    PersonAtTheApi(prepared).link()
    both = with_keys(NEW, OLD)
    late = PersonAtTheApi(prepared)
    late_link = late.link()

    resealing = Resealing(both.engine(), Keyring(NEW, OLD), batch=1)
    assert resealing.left() > 5
    newcomer = None
    for done in resealing.run():
        assert done <= 1
        newcomer = newcomer or PersonAtTheApi(both).link()  # the service works on meanwhile
    assert 0 == resealing.left()
    assert [] == list(resealing.run()), "a second run finds nothing to do"

    after = with_keys(NEW)
    assert set(before) <= set(sealed_texts(after))
    assert "success" == PersonAtTheApi(after, person.headers).settled(link)["link_status"]
    assert late_link == PersonAtTheApi(after, late.headers).state(late_link)["id"]
    users, links = banking.aggregator_users.c, banking.linked_accounts.c
    with after.engine().connect() as connection:
        rows = [
            *connection.execute(select(users.user_guid, users.user_guid_index)),
            *connection.execute(select(links.member_guid, links.member_guid_index)),
        ]
    assert [Keyring(NEW).index(guid) for guid, _ in rows] == [bytes(index) for _, index in rows]
    with pytest.raises(Unsealable):
        sealed_texts(with_keys(OLD))


def test_a_write_of_the_service_wins_over_the_resealing(with_keys):
    person, link = a_full_house(with_keys(OLD))
    both = with_keys(NEW, OLD)
    resealing = Resealing(both.engine(), Keyring(NEW, OLD))
    rows = resealing._read(banking.linked_accounts, None)
    person.post(f"/linked_accounts/{link}/disconnect")  # takes the guid away after it was read
    assert 0 == resealing._write(banking.linked_accounts, rows)
    assert not person.state(link)["retry_with"]
    list(resealing.run())
    assert 0 == resealing.left()


def test_the_command_says_what_it_did_and_names_no_key(with_keys, settings, tmp_path):
    a_full_house(with_keys(OLD))
    ini = tmp_path / "test.ini"

    def run(*keys):
        lines = settings | {"donkies.sealing_keys": " ".join(keys)}
        text = "\n".join(f"{name} = {str(value).replace('%', '%%')}" for name, value in lines.items())
        ini.write_text(f"[app:main]\nuse = egg:donkies#main\n{text}\n")
        return CliRunner().invoke(main, ["-c", str(ini), "keys", "reseal"])

    done = run(NEW, OLD)
    assert 0 == done.exit_code, done.output
    assert "5 rows are under the newest key now; 0 are not.\n" == done.stdout
    assert "0 rows are under the newest key now; 0 are not.\n" == run(NEW, OLD).stdout
    refused = run(OLD)
    assert 1 == refused.exit_code
    assert "put the key that sealed it back" in refused.stderr
    for result in (done, refused):
        assert OLD not in result.output
        assert NEW not in result.output
