"""Passkeys by py_webauthn."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import structlog
import webauthn
from webauthn.helpers import (
    parse_authentication_credential_json,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from ..domain.factors import FactorRefused, NewPasskey, Passkey, PasskeyUse

log = structlog.get_logger(__name__)

REFUSED = "This passkey was not accepted. Try again, or go on another way."
TRANSPORTS = {one.value: one for one in AuthenticatorTransport}
# WebAuthn §4: longer credential ids need not be taken
ID_LIMIT = 1023


class WebAuthnCeremony:
    """PasskeyCeremony: discoverable credentials, the person verified by the authenticator, no attestation.

    Which maker's authenticator it is does not matter here, so nobody is asked to give that away (§13.4.4).

    Args:
        name: what this service is called.
        public_url: its origin; passkeys are bound to its host.
    """

    def __init__(self, name: str, public_url: str) -> None:
        self._name = name
        self._origin = public_url
        self._host = urlsplit(public_url).hostname or ""

    @property
    def is_possible(self) -> bool:
        return not _is_ip(self._host)

    def creation(self, challenge: str, user_id: UUID, email: str, name: str, known: Sequence[Passkey]) -> str:
        options = webauthn.generate_registration_options(
            rp_id=self._host,
            rp_name=self._name,
            user_id=user_id.bytes,
            user_name=email,
            user_display_name=name,
            challenge=challenge.encode(),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[_descriptor(passkey) for passkey in known],
        )
        return webauthn.options_to_json(options)

    def request(self, challenge: str, allowed: Sequence[Passkey]) -> str:
        options = webauthn.generate_authentication_options(
            rp_id=self._host,
            challenge=challenge.encode(),
            allow_credentials=[_descriptor(passkey) for passkey in allowed],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return webauthn.options_to_json(options)

    def read_creation(self, answer: str, challenge: str) -> NewPasskey:
        with _refusing():
            transports = parse_registration_credential_json(answer).response.transports or []
            made = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=challenge.encode(),
                expected_rp_id=self._host,
                expected_origin=self._origin,
                require_user_verification=True,
            )
            if len(made.credential_id) > ID_LIMIT:
                raise ValueError("the credential id is too long")
            return NewPasskey(
                credential_id=made.credential_id,
                public_key=made.credential_public_key,
                sign_count=made.sign_count,
                transports=tuple(one.value for one in transports),
                is_synced=made.credential_device_type == CredentialDeviceType.MULTI_DEVICE,
            )

    def whose(self, answer: str) -> tuple[bytes, bytes | None]:
        with _refusing():
            claimed = parse_authentication_credential_json(answer)
            return claimed.raw_id, claimed.response.user_handle

    def read_proof(self, answer: str, challenge: str, passkey: Passkey) -> PasskeyUse:
        with _refusing():
            used = webauthn.verify_authentication_response(
                credential=answer,
                expected_challenge=challenge.encode(),
                expected_rp_id=self._host,
                expected_origin=self._origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
            return PasskeyUse(used.new_sign_count, used.credential_device_type == CredentialDeviceType.MULTI_DEVICE)


class _refusing:  # noqa: N801 - reads as a phrase: `with _refusing():`
    """Whatever is wrong with an answer, it is refused in the same words; the log says what it was.

    The package promises its own exceptions, and for strange CBOR or keys it raises others too.
    """

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception):
            # its kind alone: the text quotes what was sent
            log.info("passkey_refused", reason=type(error).__name__)
            raise FactorRefused(REFUSED) from None


def _descriptor(passkey: Passkey) -> PublicKeyCredentialDescriptor:
    transports = [TRANSPORTS[name] for name in passkey.transports if name in TRANSPORTS]
    return PublicKeyCredentialDescriptor(id=passkey.credential_id, transports=transports or None)


def _is_ip(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False
