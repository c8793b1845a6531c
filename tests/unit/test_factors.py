"""Rules of second factors, with doubles at the ports."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from donkies.adapters.memory.factors import MemoryFactorStore
from donkies.adapters.memory.grants import MemoryGrantStore
from donkies.adapters.memory.identity import (
    MemoryFlowStore,
    MemoryIdentity,
    MemoryLimits,
    MemorySessionStore,
    MemoryUserStore,
)
from donkies.adapters.memory.jobs import RecordingJobs
from donkies.adapters.memory.mail import MemoryOutbox
from donkies.adapters.one_time_codes import TotpCodes
from donkies.adapters.passkeys import WebAuthnCeremony
from donkies.domain.errors import Conflict, Invalid, NotFound, TooMany
from donkies.domain.factor_keeping import PASSKEYS_MOST, FactorService
from donkies.domain.factors import CodePicture, FactorRefused, NewPasskey, PasskeyKnown, PasskeyUse, recovery_hash
from donkies.domain.flows import Flows
from donkies.domain.ids import new_id
from donkies.domain.mail import Letters
from donkies.domain.passkeys import PasskeyService
from donkies.domain.second_step import SecondStepOver, SecondStepService
from donkies.domain.users import User

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TAB, OTHER_TAB = "tab-1", "tab-2"


@dataclass
class StandingClock:
    at: datetime = NOW

    def now(self):
        return self.at


class TrustingCeremony:
    """Takes every answer `ID` or `ID OWNER` for a good one; a counter goes on by one each time."""

    is_possible = True

    def creation(self, challenge, user_id, email, name, known):
        return f"new for {email}, not {[one.credential_id for one in known]}"

    def request(self, challenge, allowed):
        return f"any of {[one.credential_id for one in allowed]}"

    def read_creation(self, answer, challenge):
        return NewPasskey(answer.encode(), b"key", 0, ("internal",), is_synced=True)

    def whose(self, answer):
        credential_id, _, owner = answer.partition(" ")
        return credential_id.encode(), bytes.fromhex(owner) if owner else None

    def read_proof(self, answer, challenge, passkey):
        return PasskeyUse(passkey.sign_count + 1, is_synced=True)


class CountingCodes:
    """The code of a step is its number."""

    def new_secret(self):
        return "SECRET"

    def step_of(self, secret, code, now):
        return int(code) if code.isdigit() else None

    def picture(self, secret, email):
        return CodePicture(f"otpauth:{secret}", "data:")


class NoRevocations:
    def add(self, *ids): ...


class KnownMarks:
    def knows(self, mark, account):
        return mark == "known"


@dataclass
class House:
    rows: Any = field(default_factory=MemoryIdentity)
    clock: Any = field(default_factory=StandingClock)
    ceremony: Any = field(default_factory=TrustingCeremony)
    codes: Any = field(default_factory=CountingCodes)

    def __post_init__(self):
        rows, users, factors = self.rows, MemoryUserStore(self.rows), MemoryFactorStore(self.rows)
        flows, limits = Flows(rows, MemoryFlowStore(rows), self.clock), MemoryLimits()
        letters = Letters(rows, MemoryOutbox(rows), RecordingJobs())
        self.passkeys = PasskeyService(rows, users, factors, self.ceremony, flows, limits, self.clock)
        self.keeping = FactorService(
            rows, users, factors, self.codes, self.passkeys, limits, letters, MemorySessionStore(rows),
            MemoryGrantStore(rows), NoRevocations(), self.clock,
        )  # fmt: skip
        self.step = SecondStepService(
            rows, users, factors, self.codes, self.passkeys, flows, limits, KnownMarks(), letters, self.clock
        )

    def person(self):
        number = new_id()
        email = f"{number}@people.example"
        self.rows.users[number] = User(
            id=number, email=email, email_key=email, first_name="Ada", last_name="B", birthday=date(1990, 12, 31),
            password_hash="hash", created_at=NOW, updated_at=NOW,
        )  # fmt: skip
        return number

    def add_passkey(self, person, name="Phone", answer=None):
        question = self.passkeys.ask_new(person, TAB)
        return self.keeping.add_passkey(person, answer or name, question.challenge, TAB, name)

    def add_app(self, person):
        self.keeping.begin_app(person)
        return self.keeping.confirm_app(person, "1")

    def letters(self):
        return [(letter.kind, letter.values) for letter, _, _ in self.rows.letters.values()]


@pytest.fixture
def house():
    return House()


@pytest.fixture
def person(house):
    return house.person()


class TestKeeping:
    def test_recovery_codes_come_with_the_first_factor_and_go_with_the_last(self, house, person):
        assert 10 == len(house.add_passkey(person))
        assert () == house.add_app(person)
        assert house.keeping.remove_passkey(person, b"Phone")
        assert 10 == house.keeping.overview(person).recovery_codes
        assert house.keeping.remove_app(person)
        assert 0 == house.keeping.overview(person).recovery_codes

    def test_each_change_is_told_by_mail(self, house, person):
        house.add_passkey(person)
        house.keeping.renew_recovery_codes(person)
        house.keeping.remove_passkey(person, b"Phone")
        told = [(kind, values["what"]) for kind, values in house.letters()]
        assert [
            ("factor_added", "the passkey Phone"),
            ("factor_added", "new recovery codes"),
            ("factor_removed", "the passkey Phone"),
        ] == told

    def test_what_is_not_there_is_not_removed_and_tells_nobody(self, house, person):
        house.add_passkey(house.person())
        before = len(house.letters())
        assert not house.keeping.remove_passkey(person, b"Phone")
        assert not house.keeping.remove_app(person)
        house.keeping.begin_app(person)
        assert house.keeping.remove_app(person), "one that was never confirmed goes, too"
        assert before == len(house.letters())

    def test_an_app_counts_from_its_first_code_on(self, house, person):
        house.keeping.begin_app(person)
        assert "SECRET" == house.keeping.app_begun(person)[0]
        with pytest.raises(Invalid):
            house.keeping.confirm_app(person, "wrong")
        assert not house.keeping.has_any(person)
        house.keeping.confirm_app(person, "1")
        assert house.keeping.has_any(person)
        assert house.keeping.app_begun(person) is None
        with pytest.raises(NotFound):
            house.keeping.confirm_app(person, "2")
        with pytest.raises(Conflict):
            house.keeping.begin_app(person)

    def test_first_codes_are_not_guessed_for_ever(self, house, person):
        house.keeping.begin_app(person)
        for _ in range(10):
            with pytest.raises(Invalid):
                house.keeping.confirm_app(person, "wrong")
        with pytest.raises(TooMany):
            house.keeping.confirm_app(person, "1")

    def test_a_passkey_is_added_once_and_not_too_many(self, house, person):
        house.add_passkey(person)
        with pytest.raises(PasskeyKnown):
            house.add_passkey(house.person())
        for number in range(PASSKEYS_MOST - 1):
            house.add_passkey(person, f"Nr {number}")
        with pytest.raises(Conflict):
            house.add_passkey(person, "One more")

    @pytest.mark.parametrize("name", ["", "  ", "x" * 61, "a\u202eb"])
    def test_names_that_cannot_be_used(self, house, person, name):
        house.add_passkey(person)
        with pytest.raises(Invalid):
            house.keeping.rename_passkey(person, b"Phone", name)
        house.keeping.rename_passkey(person, b"Phone", "  My   key ")
        assert "My key" == house.keeping.overview(person).passkeys[0].name

    def test_no_recovery_codes_without_a_factor(self, house, person):
        with pytest.raises(Conflict):
            house.keeping.renew_recovery_codes(person)


class TestPasskeys:
    def ask(self, house, user_id=None, browser=TAB):
        return house.passkeys.ask(browser, address="192.0.2.1", user_id=user_id).challenge

    def test_it_names_its_owner_and_counts_on(self, house, person):
        """S27"""
        house.add_passkey(person)
        answer = f"Phone {person.hex}"
        assert person == house.passkeys.prove(answer, self.ask(house), TAB)
        (passkey,) = house.keeping.overview(person).passkeys
        assert (1, NOW) == (passkey.sign_count, passkey.last_used_at)

    def test_a_question_is_answered_once_in_time_and_by_the_browser_that_it_was_put_to(self, house, person):
        """S27; WebAuthn §13.4.3"""
        house.add_passkey(person)
        answer, used = f"Phone {person.hex}", self.ask(house)
        house.passkeys.prove(answer, used, TAB)
        stolen, late = self.ask(house), self.ask(house)
        for challenge, browser in ((used, TAB), (stolen, OTHER_TAB), ("invented", TAB), ("", TAB)):
            with pytest.raises(FactorRefused):
                house.passkeys.prove(answer, challenge, browser)
        house.clock.at += timedelta(minutes=10)
        with pytest.raises(FactorRefused):
            house.passkeys.prove(answer, late, TAB)

    def test_a_question_for_one_thing_is_not_answered_for_another(self, house, person):
        house.add_passkey(person)
        other, answer = house.person(), f"Phone {person.hex}"
        house.add_passkey(other, "Key")
        with pytest.raises(FactorRefused):
            house.passkeys.prove(answer, house.passkeys.ask_new(person, TAB).challenge, TAB)
        with pytest.raises(FactorRefused):
            house.passkeys.prove(answer, self.ask(house), TAB, user_id=person)
        with pytest.raises(FactorRefused):
            house.passkeys.prove(answer, self.ask(house, other), TAB, user_id=other)
        assert person == house.passkeys.prove("Phone", self.ask(house, person), TAB, user_id=person)

    def test_who_is_not_named_or_disabled_or_unknown_gets_nowhere(self, house, person):
        house.add_passkey(person)
        other = house.person()
        for answer in ("Phone", f"Phone {other.hex}", f"Nothing {person.hex}"):
            with pytest.raises(FactorRefused):
                house.passkeys.prove(answer, self.ask(house), TAB)
        house.rows.users[person].is_disabled = True
        with pytest.raises(FactorRefused):
            house.passkeys.prove(f"Phone {person.hex}", self.ask(house), TAB)


class TestSecondStep:
    def test_it_is_for_who_has_a_factor_and_did_not_show_it(self, house, person):
        house.keeping.begin_app(person)
        assert not house.step.is_needed(person, "pwd")
        house.keeping.confirm_app(person, "1")
        assert house.step.is_needed(person, "pwd")
        assert house.step.is_needed(person, "fed")
        assert not house.step.is_needed(person, "pop user mfa")

    def test_how_it_was_done_is_told(self, house, person):
        codes = house.add_passkey(person)
        house.add_app(person)
        asked = {"address": "192.0.2.1"}
        key = house.step.begin(person, "fed", is_new=True)
        challenge = house.step.ask_passkey(key, TAB, **asked).challenge
        done = house.step.by_passkey(key, "Phone", challenge, TAB, **asked)
        assert ("fed pop mfa", True) == (done.methods, done.is_new)
        done = house.step.by_code(house.step.begin(person, "pwd"), "2", device="", **asked)
        assert ("pwd otp mfa", False) == (done.methods, done.is_new)
        assert "pwd rc mfa" == house.step.by_recovery_code(house.step.begin(person, "pwd"), codes[0], **asked).methods
        assert ("recovery_code_used", "9") == (house.letters()[-1][0], house.letters()[-1][1]["left"])

    def test_an_app_that_is_not_confirmed_proves_nothing(self, house, person):
        house.add_passkey(person)
        house.keeping.begin_app(person)
        with pytest.raises(FactorRefused):
            house.step.by_code(house.step.begin(person, "pwd"), "5", address="", device="")

    def test_strangers_share_five_tries_and_known_browsers_have_their_own(self, house, person):
        """S24; ASVS 6.6.3"""
        house.add_app(person)
        for _ in range(5):
            with pytest.raises(FactorRefused):
                house.step.by_code(house.step.begin(person, "pwd"), "wrong", address="", device="invented")
        with pytest.raises(TooMany):
            house.step.by_code(house.step.begin(person, "pwd"), "2", address="", device="")
        assert house.step.by_code(house.step.begin(person, "pwd"), "2", address="", device="known")

    def test_a_days_guesses_are_few_though_the_owner_logs_in_between(self, house, person):
        house.add_app(person)

        def show(step):
            house.step.by_code(house.step.begin(person, "pwd"), str(step), address=str(step), device="")

        for step in range(2, 32):
            show(step)
        with pytest.raises(TooMany):
            show(32)

    @pytest.mark.parametrize("key", ["", "invented"])
    def test_without_its_key_there_is_no_step(self, house, key):
        with pytest.raises(SecondStepOver):
            house.step.read(key)
        with pytest.raises(SecondStepOver):
            house.step.by_recovery_code(key, "x", address="")


class TestCodes:
    SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

    @pytest.mark.parametrize(("seconds", "code"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
    def test_the_codes_are_those_of_the_standard(self, seconds, code):
        """RFC 6238, appendix B"""
        at = datetime.fromtimestamp(seconds, UTC)
        assert seconds // 30 == TotpCodes("donkies").step_of(self.SECRET, f"{code[:3]} {code[3:]}", at)

    def test_one_step_to_either_side_is_taken_and_no_more(self):
        times = [datetime.fromtimestamp(1111111109 + ahead, UTC) for ahead in (-60, -30, 0, 30, 60)]
        step = 1111111109 // 30
        assert [None, step, step, step, None] == [TotpCodes("x").step_of(self.SECRET, "081804", at) for at in times]

    @pytest.mark.parametrize("code", ["", "28708", "2870822", "28708a", "٢٨٧٠٨٢", "-87082"])
    def test_what_is_no_code(self, code):
        assert TotpCodes("x").step_of(self.SECRET, code, datetime.fromtimestamp(59, UTC)) is None

    def test_an_app_is_told_all_it_needs(self):
        picture = TotpCodes("My: bank").picture(self.SECRET, "a+b@people.example")
        assert (
            f"otpauth://totp/My%20%20bank:a%2Bb%40people.example?secret={self.SECRET}&issuer=My%20%20bank"
            == picture.uri
        )
        assert picture.image.startswith("data:image/svg+xml")


@pytest.mark.parametrize(
    ("url", "possible"),
    [
        ("https://id.example", True), ("http://localhost:6543", True), ("http://127.0.0.1:6543", False),
        ("http://[::1]:6543", False),
    ],
)  # fmt: skip
def test_passkeys_want_a_name(url, possible):
    assert possible == WebAuthnCeremony("donkies", url).is_possible


def test_recovery_codes_are_read_as_people_write_them():
    assert recovery_hash("ab01-11cd") == recovery_hash(" AB0L Ilcd ") == recovery_hash("abo111cd")
