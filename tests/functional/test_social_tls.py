"""Both providers over TLS, and what becomes of their secrets.

Over plain http authomatic would seem to work though it dies on https (DESIGN 2).
"""

import io
import json
import logging
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog
from sqlalchemy import select

from donkies.adapters.persistence.tables import identity
from donkies.config.logs import NEVER_BELOW_WARNING, configure_logs
from donkies.config.settings import parse_settings
from donkies.testing.canaries import database_dump, found_in
from donkies.testing.plugin import development_settings
from donkies.testing.social import begin, choose, finish, social_settings
from donkies.testing.tls import TlsFront


@pytest.fixture
def front(sandbox, tmp_path):
    with TlsFront(sandbox.url, tmp_path) as front:
        yield front


@pytest.fixture
def settings(sqlite_databases, tmp_path, front):
    settings = development_settings(sqlite_databases.fresh(tmp_path)) | social_settings(front.url)
    return settings | {"donkies.social.ca_file": front.ca_file, "donkies.log_level": "DEBUG"}


@pytest.fixture
def said(settings):
    """All that any logger writes at DEBUG, those too that are kept above it in earnest."""
    stream, root, before = io.StringIO(), logging.getLogger(), structlog.get_config()
    kept, level = list(root.handlers), root.level
    configure_logs(parse_settings(settings, {}))
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(stream))
    raw = logging.StreamHandler(stream)
    root.addHandler(raw)
    names = [*NEVER_BELOW_WARNING, "authomatic.core", "requests"]
    quiet = {name: logging.getLogger(name).level for name in names}
    for name in quiet:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield stream.getvalue
    for name, old in quiet.items():
        logging.getLogger(name).setLevel(old)
    root.handlers[:] = kept
    root.setLevel(level)
    structlog.configure(**before)


def test_both_providers_over_tls_and_no_secret_of_theirs_stays_anywhere(said, testapp, front, sandbox):
    """S20, S33"""
    secrets = {"canary-google-secret", "canary-facebook-secret"}
    for provider, persona, typed in (("google", "verified", {}), ("facebook", "second", {"email": "z@b.example"})):
        way = begin(testapp, provider)
        asked = {name: value[0] for name, value in parse_qs(urlsplit(way).query).items()}
        secrets |= {asked[name] for name in ("state", "nonce") if name in asked}
        back = choose(way, persona, front.ca_file)
        secrets.add(parse_qs(urlsplit(back).query)["code"][0])
        finish(testapp.get(back).follow(), birthday="1990-12-31", **typed).follow(status=200)
        testapp.reset()
    sandbox.social(google={"fault": "bad_signature"}, facebook={"fault": None})
    testapp.get(choose(begin(testapp, "google"), "verified", front.ca_file), status=303)
    for sent in front.sent:
        form = parse_qs(sent.partition(" ")[2]) | parse_qs(urlsplit(sent.partition(" ")[0]).query)
        secrets |= {form[name][0] for name in ("code_verifier", "appsecret_proof") if name in form}
    for answered in front.answered:
        told = json.loads(answered) if answered.startswith("{") else {}
        secrets |= {told[name] for name in ("access_token", "id_token") if name in told}
    assert 15 == len(secrets)
    log = said()
    assert "social_call" in log
    assert "bad_id_token" in log
    with testapp.engine().connect() as connection:
        answers = connection.execute(select(identity.external_identities.c.answer)).scalars().all()
    assert 2 == len(answers)
    for place in (log, database_dump(testapp.engine()), json.dumps(answers)):
        assert [] == found_in(place, secrets)


def test_no_token_is_in_an_address(testapp, front):
    walk_over(testapp, front, "facebook")
    walk_over(testapp, front, "google")
    paths = [sent.partition(" ")[0] for sent in front.sent if "/dialog/" not in sent and "/auth" not in sent]
    assert 4 == len(paths)
    assert "token=" not in " ".join(paths)
    assert "secret" not in " ".join(paths).replace("appsecret_proof", "")


def walk_over(app, front, provider):
    app.get(choose(begin(app, provider), "verified", front.ca_file), status=303)


def test_a_certificate_of_nobody_known_is_not_trusted(make_testapp, settings, front):
    settings["donkies.social.ca_file"] = ""
    app = make_testapp()
    way = choose(begin(app, "google"), "verified", front.ca_file)
    assert "Google did not answer as it should." in app.get(way).follow().text
