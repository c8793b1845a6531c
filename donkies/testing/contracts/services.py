"""The small ports: time, passwords, limits, tokens, mail, providers, second factors, and what watches over them.

Each class needs the fixtures that its tests name; its docstring says which.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest

from donkies.domain.annotations import AnnotationStore
from donkies.domain.clients import ClientKeys
from donkies.domain.errors import Invalid, TooMany
from donkies.domain.events import Events
from donkies.domain.factors import FactorRefused, OneTimeCodes, Passkey, PasskeyCeremony
from donkies.domain.grants import Revocations, TokenSeal
from donkies.domain.health import Backlog, BacklogReader, DatabaseProbe, Neighbours
from donkies.domain.ids import new_id
from donkies.domain.limits import Limit, Limits
from donkies.domain.mail import Letter, LetterPress, Mail, Postman
from donkies.domain.purging import Leftovers
from donkies.domain.social import Cancelled, SocialProviders
from donkies.domain.tokens import AccessTokens, IdTokens, InvalidToken, PublicKeys
from donkies.domain.unit_of_work import Clock, UnitOfWork
from donkies.domain.users import KnownDevices, KnownPasswords, PasswordHasher

SUB = "018d1b2e-0000-7000-8000-000000000001"
# RFC 7517 appendix A.1
PUBLIC_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}
CALLBACK = "http://localhost/social/google/callback"


class ClockContract:
    """What every `Clock` does. Fixture: `clock`."""

    def test_it_tells_the_time_in_utc_and_does_not_go_back(self, clock: Clock) -> None:
        times = [clock.now() for _ in range(3)]
        assert all(one.tzinfo is UTC for one in times)
        assert times == sorted(times)


class UnitOfWorkContract:
    """What every `UnitOfWork` does; what commits and rolls back is shown by the stores. Fixture: `unit_of_work`."""

    def test_its_clock_is_in_utc(self, unit_of_work: UnitOfWork) -> None:
        with unit_of_work:
            assert timedelta(0) == unit_of_work.now().utcoffset()

    def test_it_lets_errors_out_and_can_be_used_again(self, unit_of_work: UnitOfWork) -> None:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError), unit_of_work:
                raise ZeroDivisionError
        with unit_of_work:
            unit_of_work.now()


class DatabaseProbeContract:
    """What every `DatabaseProbe` does. Fixture: `probe`, of a database that is well."""

    def test_of_a_database_that_is_well_it_has_nothing_to_say(self, probe: DatabaseProbe) -> None:
        assert probe.trouble() is None


class NeighboursContract:
    """What every `Neighbours` does. Fixture: `neighbours`."""

    def test_it_knows_broker_and_aggregator_by_one_of_three_words(self, neighbours: Neighbours) -> None:
        states = neighbours.states()
        assert {"broker", "aggregator"} == set(states)
        assert set(states.values()) <= {"up", "degraded", "unknown"}


class BacklogReaderContract:
    """What every `BacklogReader` does. Fixture: `backlog`, where nothing waits."""

    def test_where_nothing_waits_nothing_is_late(self, backlog: BacklogReader) -> None:
        read = backlog.read()
        assert isinstance(read, Backlog)
        assert not any(read.links.values())
        assert not any(read.late.values())


class EventsContract:
    """What every `Events` does. Fixtures: `events`; `event`, one to tell."""

    def test_an_event_may_be_told_again(self, events: Events, event: Any) -> None:
        for _ in range(2):
            events.tell(event)


class LeftoversContract:
    """What every `Leftovers` does. Fixtures: `leftovers`, of which there are none, and its `unit_of_work`."""

    def test_where_there_are_none_none_are_purged(self, leftovers: Leftovers, unit_of_work: UnitOfWork) -> None:
        with unit_of_work:
            assert 0 == leftovers.purge(datetime.now(UTC))


class PasswordHasherContract:
    """What every `PasswordHasher` does. Fixture: `hasher`."""

    def test_a_hash_fits_its_password_and_no_other(self, hasher: PasswordHasher) -> None:
        made = hasher.hash("pässword 1")
        assert hasher.verify(made, "pässword 1")
        for other in ("pässword 2", "PÄSSWORD 1", "", "pässword 1 "):
            assert not hasher.verify(made, other)

    def test_hashes_of_one_password_differ_and_do_not_hold_it(self, hasher: PasswordHasher) -> None:
        first, second = hasher.hash("canary"), hasher.hash("canary")
        assert first != second
        assert "canary" not in first + second

    def test_without_a_hash_the_answer_is_no(self, hasher: PasswordHasher) -> None:
        assert not hasher.verify(None, "")

    def test_what_it_makes_is_not_outdated(self, hasher: PasswordHasher) -> None:
        assert not hasher.is_outdated(hasher.hash("x"))


class KnownPasswordsContract:
    """What every `KnownPasswords` does. Fixture: `known`, which knows `password`."""

    def test_it_knows_what_is_tried_first_in_any_case(self, known: KnownPasswords) -> None:
        assert known.holds("password")
        assert known.holds("Password")
        assert not known.holds("kVq8 hollow marmot 52 teapots")


class KnownDevicesContract:
    """What every `KnownDevices` does. Fixture: `devices`."""

    def test_a_mark_is_good_for_its_account_only_and_names_nobody(self, devices: KnownDevices) -> None:
        mark = devices.mark("ada@b.example")
        assert devices.knows(mark, "ada@b.example")
        assert not devices.knows(mark, "bob@b.example")
        assert not devices.knows("", "ada@b.example")
        assert not devices.knows(mark[:-2], "ada@b.example")
        assert "ada" not in mark

    def test_each_browser_gets_another(self, devices: KnownDevices) -> None:
        assert devices.mark("a") != devices.mark("a")


class LimitsContract:
    """What every `Limits` does that counts. Fixture: `limits`."""

    limit = Limit("contract", 3, 600)

    def test_tries_are_counted_for_each_and_then_refused_with_the_wait(self, limits: Limits) -> None:
        for _ in range(3):
            limits.spend(self.limit, "ada", "192.0.2.1")
        with pytest.raises(TooMany) as refused:
            limits.spend(self.limit, "ada", "192.0.2.1")
        assert 0 < refused.value.retry_after_s <= 600
        limits.spend(self.limit, "ada", "192.0.2.2")
        limits.spend(Limit("another", 3, 600), "ada", "192.0.2.1")

    def test_a_counter_starts_afresh(self, limits: Limits) -> None:
        for _ in range(3):
            limits.spend(self.limit, "ada")
        limits.forget(self.limit, "ada")
        limits.forget(self.limit, "nobody")
        limits.spend(self.limit, "ada")


class AccessTokensContract:
    """What every `AccessTokens` does, and `Revocations` with it. Fixtures: `tokens`, `revocations`, `clock`."""

    def mint(self, tokens: AccessTokens, clock: Clock, sid: UUID | None) -> str:
        return tokens.mint(sub=SUB, client_id="app", scopes=("openid", "profile"), sid=sid, auth_time=clock.now())

    def test_a_token_says_what_it_was_made_of(self, tokens: AccessTokens, clock: Clock) -> None:
        sid, now = new_id(), int(clock.now().timestamp())
        claims = tokens.verify(self.mint(tokens, clock, sid))
        said = (claims.sub, claims.client_id, claims.scopes, claims.sid)
        assert (SUB, "app", frozenset({"openid", "profile"}), str(sid)) == said
        assert claims.is_person
        assert abs(claims.exp - now - tokens.expires_in_s) <= 2
        assert abs((claims.auth_time or 0) - now) <= 2
        assert not tokens.verify(self.mint(tokens, clock, None)).is_person

    def test_no_two_are_alike(self, tokens: AccessTokens, clock: Clock) -> None:
        first, second = (self.mint(tokens, clock, None) for _ in range(2))
        assert first != second
        assert tokens.verify(first).jti != tokens.verify(second).jti

    @pytest.mark.parametrize("nonsense", ["", "x", "a.b.c", "\0", "ä" * 100])
    def test_nonsense_is_no_token(self, tokens: AccessTokens, nonsense: str) -> None:
        with pytest.raises(InvalidToken):
            tokens.verify(nonsense)

    def test_a_token_expires(self, tokens: AccessTokens, clock: Any) -> None:
        token = self.mint(tokens, clock, None)
        clock.advance(seconds=tokens.expires_in_s - 10)
        tokens.verify(token)
        clock.advance(seconds=20)
        with pytest.raises(InvalidToken):
            tokens.verify(token)

    def test_a_persons_token_ends_with_its_family_and_a_clients_own_by_itself(
        self, tokens: AccessTokens, revocations: Revocations, clock: Clock
    ) -> None:
        sid = new_id()
        of_family, single, other = (self.mint(tokens, clock, one) for one in (sid, None, new_id()))
        revocations.add(str(sid), tokens.verify(single).jti)
        for gone in (of_family, single):
            with pytest.raises(InvalidToken):
                tokens.verify(gone)
        tokens.verify(other)


class IdTokensContract:
    """What every `IdTokens` does, and `PublicKeys` with it. Fixtures: `id_tokens`, `keys`."""

    @pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
    def test_others_can_check_one_by_the_published_keys(
        self, id_tokens: IdTokens, keys: PublicKeys, algorithm: str
    ) -> None:
        keys.prepare(algorithm)
        published = {one["kid"]: one for one in keys.jwks()["keys"]}
        made = id_tokens.mint({"sub": "s-1", "aud": "app"}, access_token="t", algorithm=algorithm)
        key = jwt.PyJWK(published[jwt.get_unverified_header(made)["kid"]])
        claims = jwt.decode(made, key, algorithms=[algorithm], audience="app")
        assert "s-1" == claims["sub"]
        assert {"iss", "iat", "exp", "at_hash"} <= claims.keys()

    def test_no_private_part_is_published(self, keys: PublicKeys) -> None:
        keys.prepare("ES256")
        assert not [one for one in keys.jwks()["keys"] if one.keys() & {"d", "p", "q", "dp", "dq", "qi", "k"}]


class ClientKeysContract:
    """What every `ClientKeys` does. Fixture: `client_keys`."""

    def test_a_public_key_is_read_and_what_else_there_is_left_out(self, client_keys: ClientKeys) -> None:
        (read,) = client_keys.read({"keys": [PUBLIC_KEY | {"kid": "1", "note": "ours"}]})["keys"]
        assert PUBLIC_KEY | {"kid": "1"} == {name: read[name] for name in (*PUBLIC_KEY, "kid")}
        assert "note" not in read

    @pytest.mark.parametrize(
        "wrong",
        [
            {},
            {"keys": "x"},
            {"keys": []},
            {"keys": [{"kty": "oct", "k": "AA"}]},
            {"keys": [PUBLIC_KEY | {"d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}]},
        ],
    )
    def test_what_is_no_set_of_public_keys_is_refused(self, client_keys: ClientKeys, wrong: Mapping[str, Any]) -> None:
        with pytest.raises(Invalid):
            client_keys.read(wrong)


class TokenSealContract:
    """What every `TokenSeal` does. Fixture: `seal`."""

    def test_it_opens_under_the_token_it_was_sealed_under_and_no_other(self, seal: TokenSeal) -> None:
        sealed = seal.seal("first", "second")
        assert "second" == seal.unseal("first", sealed)
        with pytest.raises(Exception):  # noqa: B017 - every cipher has its own
            seal.unseal("another", sealed)


class LetterPressContract:
    """What every `LetterPress` does. Fixture: `press`."""

    def test_a_letter_goes_to_its_address_with_its_link_in_both_parts(self, press: LetterPress) -> None:
        kept = {"id": new_id(), "values": {"token": "one-time"}, "expires_at": datetime.now(UTC)}
        mail = press.print(Letter(kind="reset_password", to="ada@b.example", **kept))
        assert "ada@b.example" == mail.to
        assert mail.subject
        assert "\n" not in mail.subject
        assert "one-time" in mail.text
        assert "one-time" in mail.html


class PostmanContract:
    """What every `Postman` does. Fixtures: `postman`; `received`, which lists (to, subject) of what arrived."""

    def test_mail_arrives(self, postman: Postman, received: Callable[[], list[tuple[str, str]]]) -> None:
        for subject in ("One", "Grüße"):
            postman.send(Mail("ada@b.example", subject, "text\n", "<p>text</p>"))
        assert [("ada@b.example", "One"), ("ada@b.example", "Grüße")] == received()


class SocialProvidersContract:
    """What every `SocialProviders` does. Fixture: `providers`, with `google` among those offered."""

    def test_each_departure_has_a_state_of_its_own(self, providers: SocialProviders) -> None:
        assert "google" in providers.offered
        first, second = (providers.begin("google", CALLBACK) for _ in range(2))
        assert first.state != second.state
        assert first.state in first.url
        assert len(first.state) >= 16

    def test_who_cancels_over_there_has_cancelled(self, providers: SocialProviders) -> None:
        departure = providers.begin("google", CALLBACK)
        with pytest.raises(Cancelled):
            providers.finish("google", {"error": "access_denied", "state": departure.state}, departure.kept)


class OneTimeCodesContract:
    """What every `OneTimeCodes` does. Fixtures: `codes`; `right`, which makes the code of a secret and a time."""

    def test_the_code_of_now_is_of_this_step_and_another_of_none(
        self, codes: OneTimeCodes, right: Callable[[str, datetime], str]
    ) -> None:
        secret, now = codes.new_secret(), datetime(2026, 1, 2, tzinfo=UTC)
        assert int(now.timestamp()) // 30 == codes.step_of(secret, right(secret, now), now)
        for wrong in ("", "12345", "x" * 6, right(secret, now)[:-1] + "x"):
            assert codes.step_of(secret, wrong, now) is None

    def test_a_picture_carries_the_secret_and_no_two_secrets_are_alike(self, codes: OneTimeCodes) -> None:
        first, second = codes.new_secret(), codes.new_secret()
        assert first != second
        picture = codes.picture(first, "ada@b.example")
        assert picture.uri.startswith("otpauth://totp/")
        assert first in picture.uri
        assert picture.image.startswith("data:image/")


class PasskeyCeremonyContract:
    """What every `PasskeyCeremony` does. Fixture: `ceremony`, where passkeys are possible."""

    def test_what_browsers_are_asked_is_json_with_the_passkeys_named(self, ceremony: PasskeyCeremony) -> None:
        assert ceremony.is_possible
        empty = ceremony.request("challenge-1", ())
        named = ceremony.request("challenge-1", [_passkey()])
        assert json.loads(empty) != json.loads(named)
        json.loads(ceremony.creation("challenge-1", new_id(), "a@b.example", "A B", [_passkey()]))

    @pytest.mark.parametrize("answer", ["", "{}", "null", "[1, 2, 3", "x"])
    def test_nonsense_is_refused(self, ceremony: PasskeyCeremony, answer: str) -> None:
        for read in (
            lambda: ceremony.whose(answer),
            lambda: ceremony.read_creation(answer, "challenge-1"),
            lambda: ceremony.read_proof(answer, "challenge-1", _passkey()),
        ):
            with pytest.raises(FactorRefused):
                read()


class AnnotationStoreContract:
    """What every `AnnotationStore` does.

    Fixtures: `annotations` and its `unit_of_work`; `owned`, the ids of a person and of a transaction of theirs;
    `shown`, which reads its note, category and whether it is hidden.
    """

    def annotate(self, annotations: AnnotationStore, unit_of_work: UnitOfWork, *owned: UUID, **said: Any) -> bool:
        with unit_of_work:
            return annotations.annotate(*owned, said, datetime.now(UTC))

    def test_what_is_said_stays_until_it_is_said_otherwise(
        self, annotations: Any, unit_of_work: Any, owned: tuple[UUID, UUID], shown: Callable[[], tuple[Any, ...]]
    ) -> None:
        assert self.annotate(annotations, unit_of_work, *owned, note="mine", category="Own")
        assert self.annotate(annotations, unit_of_work, *owned, hidden=True, note=None)
        assert (None, "Own", True) == shown()

    def test_it_is_said_by_the_owner_only(
        self, annotations: Any, unit_of_work: Any, owned: tuple[UUID, UUID], shown: Callable[[], tuple[Any, ...]]
    ) -> None:
        before = shown()
        assert not self.annotate(annotations, unit_of_work, new_id(), owned[1], note="theirs")
        assert not self.annotate(annotations, unit_of_work, owned[0], new_id(), note="of nothing")
        assert before == shown()

    def test_what_was_rolled_back_was_not_said(
        self, annotations: Any, unit_of_work: Any, owned: tuple[UUID, UUID], shown: Callable[[], tuple[Any, ...]]
    ) -> None:
        before = shown()
        with suppress(ZeroDivisionError), unit_of_work:
            annotations.annotate(*owned, {"note": "never"}, datetime.now(UTC))
            raise ZeroDivisionError
        assert before == shown()


def _passkey() -> Passkey:
    return Passkey(
        credential_id=b"id-1", user_id=new_id(), public_key=b"key", sign_count=4, name="Phone",
        transports=("internal",), is_synced=True, created_at=datetime.now(UTC),
    )  # fmt: skip
