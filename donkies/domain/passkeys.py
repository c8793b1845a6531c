"""Ceremonies with passkeys: what a browser is asked, and what its answer proves, once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from uuid import UUID

from .errors import NotFound
from .factors import FactorRefused, FactorStore, NewPasskey, Passkey, PasskeyCeremony
from .flows import Flow, Flows
from .limits import Limit, Limits
from .unit_of_work import Clock, UnitOfWork
from .users import UserStore

ANSWER_S = 600
ANSWER_LIMIT = 16_000
# each leaves a row for ten minutes; the log-in page asks for one when it is opened
QUESTIONS_OF_ADDRESS = Limit("passkey-address", 300, 900)
MAKING, USING = "passkey_new", "passkey_use"
REFUSED = "This passkey was not accepted. Try again, or go on another way."


@dataclass(frozen=True, slots=True)
class Question:
    """What a browser is asked.

    Args:
        challenge: comes back with the answer.
        options: for `navigator.credentials`, as JSON.
    """

    challenge: str = field(repr=False)
    options: str = field(repr=False)


@dataclass
class PasskeyService:
    """Asks browsers for passkeys and reads what they answer.

    A question is answered once, within ten minutes, by the browser that it was put to.

    Args of all:
        browser: a secret that tells this browser from others.
    Source: Web Authentication Level 3, §7.1, §7.2.
    """

    unit_of_work: UnitOfWork
    users: UserStore
    factors: FactorStore
    ceremony: PasskeyCeremony
    flows: Flows
    limits: Limits
    clock: Clock

    @property
    def is_possible(self) -> bool:
        return self.ceremony.is_possible

    def ask_new(self, user_id: UUID, browser: str) -> Question:
        """Raises: NotFound."""
        with self.unit_of_work:
            user = self.users.find(user_id)
            if user is None:
                raise NotFound("There is no such person.")
            email, name = user.email, f"{user.first_name} {user.last_name}"
            known = self.factors.passkeys_of(user_id)
        challenge = self._begin(MAKING, browser, user_id)
        return Question(challenge, self.ceremony.creation(challenge, user_id, email, name, known))

    def read_new(self, user_id: UUID, answer: str, challenge: str, browser: str) -> NewPasskey:
        """Raises: FactorRefused."""
        self._finish(MAKING, answer, challenge, browser, user_id)
        return self.ceremony.read_creation(answer, challenge)

    def ask(self, browser: str, *, address: str, user_id: UUID | None = None) -> Question:
        """Ask for a proof.

        Args:
            address: where the request came from.
            user_id: whose it must be; None for whoever it is.
        Raises: TooMany.
        """
        self.limits.spend(QUESTIONS_OF_ADDRESS, address)
        allowed: tuple[Passkey, ...] = ()
        if user_id is not None:
            with self.unit_of_work:
                allowed = tuple(self.factors.passkeys_of(user_id))
        challenge = self._begin(USING, browser, user_id)
        return Question(challenge, self.ceremony.request(challenge, allowed))

    def prove(self, answer: str, challenge: str, browser: str, *, user_id: UUID | None = None) -> UUID:
        """Who this is.

        Args:
            user_id: who it must be, and was when the question was asked.
        Raises: FactorRefused.
        """
        self._finish(USING, answer, challenge, browser, user_id)
        credential_id, handle = self.ceremony.whose(answer)
        with self.unit_of_work:
            passkey = self.factors.find_passkey(credential_id)
            owner = self.users.find(passkey.user_id) if passkey else None
            # without a person known before, it must be the authenticator that names them (§7.2, step 6)
            named = handle if handle is not None or user_id is None else user_id.bytes
            if passkey is None or owner is None or owner.is_disabled or named != owner.id.bytes:
                raise FactorRefused(REFUSED)
            if user_id not in (None, owner.id):
                raise FactorRefused(REFUSED)
            use = self.ceremony.read_proof(answer, challenge, passkey)
            if not self.factors.note_use(passkey, use, self.clock.now()):
                raise FactorRefused(REFUSED)  # used a second time at the same moment
            return owner.id

    def _begin(self, kind: str, browser: str, user_id: UUID | None) -> str:
        challenge = secrets.token_urlsafe(32)
        self.flows.begin(challenge, kind, {"browser": browser}, ANSWER_S, user_id)
        return challenge

    def _finish(self, kind: str, answer: str, challenge: str, browser: str, user_id: UUID | None) -> Flow:
        flow = self.flows.finish(challenge, kind) if challenge and 0 < len(answer) <= ANSWER_LIMIT else None
        is_same = flow is not None and secrets.compare_digest(flow.content["browser"].encode(), browser.encode())
        if flow is None or flow.user_id != user_id or not is_same:
            raise FactorRefused(REFUSED)
        return flow
