"""The second step of a log-in, for who has a second factor: until it is shown, there is no session."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from uuid import UUID

from .errors import DomainError
from .factors import FactorRefused, Factors, FactorStore, OneTimeCodes, factors_of, is_strong, recovery_hash
from .flows import Flow, Flows
from .limits import Limit, Limits
from .mail import Letters
from .passkeys import PasskeyService, Question
from .unit_of_work import Clock, UnitOfWork
from .users import KnownDevices, UserStore, email_key, mark_of

KIND = "second_step"
WITHIN_S = 600
# Six digits can be guessed, so what may be guessed at in a day is little, wherever the guesses come from. A browser
# that the person logged in with before has counters of its own: whoever knows the password and guesses does not
# lock the owner out there, and nowhere from passkeys and recovery codes, which nobody guesses.
CODES = Limit("second-code", 5, 900)
CODES_OF_DAY = Limit("second-code-day", 30, 86_400)
PROOFS_OF_ADDRESS = Limit("second-address", 100, 900)
WRONG_CODE = "This code is not right, or was used already. Wait for the next one that the app shows."
WRONG_RECOVERY_CODE = "This is none of your recovery codes, or it was used already."


class SecondStepOver(DomainError):
    """Nobody is at their second step here, or no longer: the log-in begins anew."""

    code = "second_step_over"


@dataclass(frozen=True, slots=True)
class SecondStep:
    """Somebody who has shown the first factor.

    Args:
        methods: how, as in a session.
        is_new: whether the account was made just now.
        password_mark: of the password that there was at the first.
    """

    user_id: UUID
    email: str = field(repr=False)
    methods: str
    is_new: bool
    password_mark: str = field(repr=False)
    factors: Factors


@dataclass
class SecondStepService:
    """Takes people from the first factor to the second.

    The step is bound to the browser that holds its key, lasts ten minutes and ends with the first good proof. It ends
    too when the password is changed meanwhile: what was shown first is worth nothing then.

    Args of the proofs:
        key: what `begin` gave.
        address: where the request came from.
    Returns of the proofs: the step, with `methods` as they are now.
    Raised by the proofs: SecondStepOver; FactorRefused; TooMany.
    Source: OWASP ASVS 5.0, 6.3.3, 6.5.1, 6.5.5, 6.6.3.
    """

    unit_of_work: UnitOfWork
    users: UserStore
    factors: FactorStore
    codes: OneTimeCodes
    passkeys: PasskeyService
    flows: Flows
    limits: Limits
    devices: KnownDevices
    letters: Letters
    clock: Clock

    def is_needed(self, user_id: UUID, methods: str) -> bool:
        """Whether somebody who has logged in so has a second factor, and has not shown it."""
        if is_strong(methods):
            return False
        with self.unit_of_work:
            return not factors_of(self.factors, user_id).is_none

    def begin(self, user_id: UUID, methods: str, *, is_new: bool = False, password_mark: str | None = None) -> str:
        """Begin the step.

        Args:
            password_mark: of the password that was shown first, which may have been changed since; None where none was.
        Returns: the step's key, 256 random bits, for the browser to keep.
        """
        key, seen = secrets.token_urlsafe(32), password_mark
        if seen is None:
            with self.unit_of_work:
                user = self.users.find(user_id)
                seen = mark_of(user.password_hash if user is not None else None)
        self.flows.begin(key, KIND, {"methods": methods, "is_new": is_new, "password": seen}, WITHIN_S, user_id)
        return key

    def read(self, key: str) -> SecondStep:
        """Who is at their second step. Raises: SecondStepOver."""
        flow = self.flows.read(key, KIND) if key else None
        with self.unit_of_work:
            return self._step(flow)

    def ask_passkey(self, key: str, browser: str, *, address: str) -> Question:
        """Raises: SecondStepOver; TooMany."""
        return self.passkeys.ask(browser, address=address, user_id=self.read(key).user_id)

    def by_passkey(self, key: str, answer: str, challenge: str, browser: str, *, address: str) -> SecondStep:
        """Show a passkey."""
        self.limits.spend(PROOFS_OF_ADDRESS, address)
        self.passkeys.prove(answer, challenge, browser, user_id=self.read(key).user_id)
        return self._finish(key, "pop")

    def by_code(self, key: str, code: str, *, address: str, device: str) -> SecondStep:
        """Show a code of the app.

        Args:
            device: the mark of a browser that logged in before.
        """
        step = self.read(key)
        is_known = bool(device) and self.devices.knows(device, email_key(step.email))
        who = (str(step.user_id), device) if is_known else (str(step.user_id),)
        self.limits.spend(PROOFS_OF_ADDRESS, address)
        self.limits.spend(CODES, *who)
        self.limits.spend(CODES_OF_DAY, *who)
        with self.unit_of_work:
            secret = self.factors.secret_of(step.user_id)
            counts = secret is not None and secret.confirmed_at is not None
            now = self.codes.step_of(secret.secret, code, self.clock.now()) if secret and counts else None
            if now is None or not self.factors.take_step(step.user_id, now):
                raise FactorRefused(WRONG_CODE)
        done = self._finish(key, "otp")
        self.limits.forget(CODES, *who)
        return done

    def by_recovery_code(self, key: str, code: str, *, address: str) -> SecondStep:
        """Show a recovery code, of which the owner is told by mail."""
        self.limits.spend(PROOFS_OF_ADDRESS, address)
        step = self.read(key)
        with self.unit_of_work:
            user = self.users.find(step.user_id)
            if user is None or not self.factors.take_recovery_code(user.id, recovery_hash(code)):
                raise FactorRefused(WRONG_RECOVERY_CODE)
            left = str(self.factors.count_recovery_codes(user.id))
            self.letters.write("recovery_code_used", user.email, first_name=user.first_name, left=left)
        return self._finish(key, "rc")

    def _finish(self, key: str, method: str) -> SecondStep:
        flow = self.flows.finish(key, KIND)
        with self.unit_of_work:
            step = self._step(flow)
        return replace(step, methods=f"{step.methods} {method} mfa")

    def _step(self, flow: Flow | None) -> SecondStep:
        user = self.users.find(flow.user_id) if flow is not None and flow.user_id else None
        if flow is None or user is None or user.is_disabled or flow.content["password"] != mark_of(user.password_hash):
            raise SecondStepOver("The log-in took too long, or was finished already: begin again.")
        told = flow.content
        factors = factors_of(self.factors, user.id)
        return SecondStep(user.id, user.email, told["methods"], told["is_new"], told["password"], factors)
