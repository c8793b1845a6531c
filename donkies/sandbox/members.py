"""Users, members and their jobs, moved on by the clock whenever somebody looks.

Source: ATRIUM.md 2.4, 2.5, 3.4, 4.2.
"""

from dataclasses import dataclass, field
from typing import Any

from . import scenarios
from .wire import moment

CHALLENGE_LIFETIME_S = 10 * 60
REFUSALS_UNTIL_PREVENTED = 3
_ONLY_IN_NEW_VOCABULARY = ("connection_status", "is_authenticated", "is_being_aggregated")

# When each step of a job happens, as a share of the time that a whole job takes. An error shows
# for a moment while the job still runs: MX's own widget waits for that (ATRIUM.md 3.4).
_AFTER_LOGIN = ((0.3, "accept"), (0.55, "accounts"), (0.85, "transactions"), (1.0, "complete"))
_PLANS: dict[str, tuple[tuple[float, str], ...]] = {
    "connect": ((0.15, "request"), *_AFTER_LOGIN),
    "resume": _AFTER_LOGIN,
    "ask": ((0.15, "request"), (0.3, "ask")),
    "ask_again": ((0.3, "ask"),),
    "refuse": ((0.15, "request"), (0.3, "refuse"), (0.4, "stop")),
    "bar": ((0.15, "request"), (0.3, "bar"), (0.4, "stop")),
    "break": ((0.15, "request"), (0.3, "break"), (0.4, "stop")),
    "impair": ((0.15, "request"), (0.3, "impair"), (0.4, "stop")),
    "reject": ((0.3, "reject"), (0.4, "stop")),
}
_PLAN_OF_OUTCOME = {
    "accepted": "connect",
    "refused": "refuse",
    "barred": "bar",
    "broken": "break",
    "incomplete": "impair",
}


@dataclass(eq=False, kw_only=True)
class User:
    """Somebody whom the API client told us about."""

    guid: str
    identifier: str | None = None
    is_disabled: bool = False
    metadata: str | None = None

    def to_wire(self) -> dict[str, Any]:
        return {
            "guid": self.guid,
            "identifier": self.identifier,
            "is_disabled": self.is_disabled,
            "metadata": self.metadata,
        }


@dataclass(eq=False, kw_only=True)
class Member:
    """One user's link to one institution, and its latest job.

    Times are seconds since 1970 on the sandbox's clock. `outcome` names what the typed login leads
    to; the login itself is not kept, only `login_mark`, a keyed hash that tells equal logins. `customer` tells who
    they are to the bank, which takes a login in any case of its letters and knows its own customers when they come
    to its own sign-in: members of the same one show the same account numbers.
    """

    guid: str
    user_guid: str
    institution_code: str
    name: str
    created_at: float
    history_rows: int
    history_days: int
    identifier: str | None = None
    metadata: str | None = None
    is_oauth: bool = False
    client_redirect_url: str | None = None
    oauth_token: str | None = None
    outcome: str = "accepted"
    login_mark: str | None = None
    customer: str | None = None

    connection_status: str | None = "CREATED"
    status: str | None = "INITIATED"
    is_being_aggregated: bool = False
    is_authenticated: bool = False
    has_processed_accounts: bool = False
    has_processed_transactions: bool = False
    aggregated_at: float | None = None
    successfully_aggregated_at: float | None = None
    challenges: list[dict[str, Any]] = field(default_factory=list)
    challenged_at: float | None = None
    rounds: int = 0
    refusals: int = 0
    has_accounts: bool = False
    has_transactions: bool = False

    plan: str | None = None
    plan_started_at: float = 0.0
    plan_step: int = 0

    # -- what the wire shows

    def to_wire(self, base_url: str, vocabulary: str) -> dict[str, Any]:
        """Show the member as `GET .../members/{m}` does."""
        window = f"{base_url}/oauth/{self.oauth_token}" if self.oauth_token else None
        wire = {
            "guid": self.guid,
            "user_guid": self.user_guid,
            "institution_code": self.institution_code,
            "name": self.name,
            "identifier": self.identifier,
            "metadata": self.metadata,
            "connection_status": self.connection_status,
            "status": self.status,
            "is_being_aggregated": self.is_being_aggregated,
            "aggregated_at": moment(self.aggregated_at),
            "successfully_aggregated_at": moment(self.successfully_aggregated_at),
            "is_oauth": self.is_oauth,
            "oauth_window_uri": window,
        }
        return _in_vocabulary(wire, vocabulary)

    def status_to_wire(self, vocabulary: str) -> dict[str, Any]:
        """Show the member as `GET .../members/{m}/status` does."""
        wire: dict[str, Any] = {
            "guid": self.guid,
            "connection_status": self.connection_status,
            "status": self.status,
            "is_being_aggregated": self.is_being_aggregated,
            "is_authenticated": self.is_authenticated,
            "has_processed_accounts": self.has_processed_accounts,
            "has_processed_transactions": self.has_processed_transactions,
            "aggregated_at": moment(self.aggregated_at),
            "successfully_aggregated_at": moment(self.successfully_aggregated_at),
        }
        if self.is_challenged:
            wire["challenges"] = self.challenges
        return _in_vocabulary(wire, vocabulary)

    # -- jobs

    @property
    def is_challenged(self) -> bool:
        return bool(self.challenges)

    def start_job(self, now: float, connection_status: str | None = None) -> None:
        """Start a job; `connection_status` is what the link shows meanwhile, None for as it was."""
        if connection_status is not None:
            self.connection_status = connection_status
        self.is_authenticated = self.has_processed_accounts = self.has_processed_transactions = False
        self.aggregated_at = now
        self.rounds = 0
        plan = "ask" if scenarios.asks_questions(self.outcome) else _PLAN_OF_OUTCOME[self.outcome]
        self._follow(plan, now, status="INITIATED")

    def resume_job(self, now: float, answers: list[str]) -> None:
        """Go on with a job that waited for answers."""
        plan = scenarios.outcome_of_answers(self.outcome, self.rounds, answers)
        self.connection_status = "RESUMED"
        self._follow(plan, now, status="RECEIVED")

    def _follow(self, plan: str, now: float, status: str) -> None:
        self.status = status
        self.is_being_aggregated = True
        self.challenges, self.challenged_at = [], None
        self.plan, self.plan_started_at, self.plan_step = plan, now, 0

    def freeze(self) -> None:
        """Forget the running job: somebody set the state by hand."""
        self.plan = None
        self.challenges, self.challenged_at = [], None

    def ask(self, at: float) -> None:
        """Ask the questions of the next round."""
        self._step_ask(at)

    def advance(self, now: float, job_s: float) -> bool:
        """Take every step that is due. Returns: whether anything changed."""
        changed = False
        while self.plan is not None:
            steps = _PLANS[self.plan]
            share, step = steps[self.plan_step]
            due_at = self.plan_started_at + share * job_s
            if due_at > now:
                break
            self.plan_step += 1
            if self.plan_step == len(steps):
                self.plan = None
            getattr(self, f"_step_{step}")(due_at)
            changed = True
        if self.challenged_at is not None and now >= self.challenged_at + CHALLENGE_LIFETIME_S:
            self._fail("EXPIRED", "HALTED")
            self._step_stop(now)
            changed = True
        return changed

    # -- the steps of a job; `at` is when the step was due

    def _step_request(self, at: float) -> None:
        self.status = "REQUESTED"

    def _step_ask(self, at: float) -> None:
        self.rounds += 1
        self.connection_status = self.status = "CHALLENGED"
        self.is_being_aggregated = True
        self.challenges = scenarios.challenges(self.outcome, self.rounds)
        self.challenged_at = at

    def _step_accept(self, at: float) -> None:
        self.connection_status, self.status = "CONNECTED", "AUTHENTICATED"
        self.is_authenticated = True
        self.refusals = 0

    def _step_accounts(self, at: float) -> None:
        self.status = "TRANSFERRED"
        self.has_processed_accounts = self.has_accounts = True

    def _step_transactions(self, at: float) -> None:
        self.status = "PROCESSED"
        self.has_processed_transactions = self.has_transactions = True

    def _step_complete(self, at: float) -> None:
        self.status = "COMPLETED"
        self.successfully_aggregated_at = at
        self.is_being_aggregated = False

    def _step_refuse(self, at: float) -> None:
        self.refusals += 1
        word = "PREVENTED" if self.refusals >= REFUSALS_UNTIL_PREVENTED else "DENIED"
        self._fail(word, word)

    def _step_bar(self, at: float) -> None:
        self._fail("LOCKED", "DENIED")

    def _step_break(self, at: float) -> None:
        self._fail("FAILED", "HALTED")

    def _step_impair(self, at: float) -> None:
        self._fail("IMPAIRED", "DENIED")

    def _step_reject(self, at: float) -> None:
        self._fail("REJECTED", "DENIED")

    def _step_stop(self, at: float) -> None:
        self.is_being_aggregated = False

    def _fail(self, connection_status: str, status: str) -> None:
        self.connection_status, self.status = connection_status, status
        self.challenges, self.challenged_at = [], None


def _in_vocabulary(wire: dict[str, Any], vocabulary: str) -> dict[str, Any]:
    if vocabulary == "2016":
        for key in _ONLY_IN_NEW_VOCABULARY:
            wire.pop(key, None)
    return wire
