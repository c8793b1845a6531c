"""What the domain refuses, and why: one family per way of answering it.

Every refusal carries a stable `code` (for programs) and a `detail` that says what was wrong and what to
do (for people). Views turn a family into an HTTP status; nothing here knows of HTTP.
"""


class DomainError(Exception):
    """Base of all refusals.

    Args:
        detail: what was wrong and what to do about it; never holds a secret.
        code: stable word for programs, snake_case; the class has a default.
        extra: further members for the answer, JSON-ready.
    """

    code = "refused"

    def __init__(self, detail: str, *, code: str | None = None, **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.extra = extra


class NotFound(DomainError):
    """The thing does not exist, or belongs to somebody else: the two are not told apart."""

    code = "not_found"


class Invalid(DomainError):
    """The input cannot be used; `fields` names every bad field at once.

    Args:
        fields: field name to what is wrong with it.
    """

    code = "invalid"

    def __init__(self, detail: str, fields: dict[str, str] | None = None, *, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.fields = fields or {}


class Conflict(DomainError):
    """The request is well-formed but the thing is not in a state that allows it."""

    code = "conflict"


class IllegalTransition(Conflict):
    """A command that the state of a link does not allow (DESIGN 3)."""

    code = "illegal_transition"


class Forbidden(DomainError):
    """The caller is known and may not do this."""

    code = "forbidden"


class TooMany(DomainError):
    """A limit is reached.

    Args:
        retry_after_s: seconds until it is worth trying again.
    """

    code = "too_many_requests"

    def __init__(self, detail: str, *, retry_after_s: int, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class Unavailable(DomainError):
    """Something outside is down or busy; nothing was changed.

    Args:
        retry_after_s: seconds until it is worth trying again.
    """

    code = "unavailable"

    def __init__(self, detail: str, *, retry_after_s: int = 5, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class LeaseLost(DomainError):
    """Somebody else has taken over this work: stop, and change nothing more (DESIGN 3, fences)."""

    code = "lease_lost"
