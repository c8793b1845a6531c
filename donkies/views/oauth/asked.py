"""A Pyramid request as Authlib sees it, and refusals of the domain's as Authlib's errors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from authlib.oauth2 import OAuth2Error, OAuth2Request
from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidScopeError, OAuth2Payload
from pyramid.request import Request

from ...domain.granting import GrantService
from ...domain.grants import InvalidGrant, InvalidScope

# what may stand there more than once (RFC 8707 §2)
REPEATABLE = frozenset({"resource"})


class Payload(OAuth2Payload):
    """The parameters of a request, of the one place where they belong."""

    def __init__(self, parameters: Any) -> None:
        self._data = parameters
        self._datalist: defaultdict[str, list[str]] = defaultdict(list)
        for name, value in parameters.items():
            self._datalist[name].append(value)

    @property
    def data(self) -> Any:
        return self._data

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        return self._datalist


class Asked(OAuth2Request):
    """A Pyramid request as Authlib sees it.

    Args:
        parameters: where they are not those of the request itself.
    """

    def __init__(self, request: Request, parameters: Any = None) -> None:
        # Authlib would refuse plain http here; whether that is allowed is for `donkies.public_url` to say
        super().__init__(request.method, "https://localhost")
        self.headers = request.headers  # not by the constructor: it would count them all
        self.pyramid = request
        if parameters is None:
            parameters = request.POST if request.method == "POST" else request.GET
        self._form = parameters
        self.payload = Payload(parameters)

    @property
    def args(self) -> Any:
        return self.pyramid.GET

    @property
    def form(self) -> Any:
        return self._form

    @property
    def grant_service(self) -> GrantService:
        return self.pyramid.services.get(GrantService)


class translated:  # noqa: N801 - reads as a phrase: `with translated():`
    """Turns refusals of the domain's into Authlib's errors."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, InvalidGrant):
            raise InvalidGrantError(error.detail) from None
        if isinstance(error, InvalidScope):
            raise InvalidScopeError(error.detail) from None


class InvalidTargetError(OAuth2Error):
    """A token is wanted for another service (RFC 8707 §2)."""

    error = "invalid_target"


def check_resource(wanted: Sequence[str], issuer: str) -> None:
    """Every token is for one audience, the API; a client may name it.

    Raises: InvalidTargetError.
    Source: RFC 8707 §2, §2.2.
    """
    if any(resource not in ("", f"{issuer}/v1") for resource in wanted):
        raise InvalidTargetError(f"Tokens of this service are for one resource: {issuer}/v1")
