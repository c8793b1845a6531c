"""Second factors: their ports and adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..adapters.one_time_codes import TotpCodes
from ..adapters.passkeys import WebAuthnCeremony
from ..adapters.persistence.factors import SqlFactorStore
from ..domain.factor_keeping import FactorService
from ..domain.factors import FactorStore, OneTimeCodes, PasskeyCeremony
from ..domain.passkeys import PasskeyService
from ..domain.second_step import SecondStepService
from .settings import Settings
from .wiring import autowired

if TYPE_CHECKING:
    from .binding import Binder


def bind_factors(binder: Binder, settings: Settings) -> None:
    """Roles: factor_store, passkey_ceremony, one_time_codes."""
    binder.port("factor_store", FactorStore, autowired(SqlFactorStore))
    binder.single("passkey_ceremony", PasskeyCeremony, lambda: WebAuthnCeremony(settings.name, settings.public_url))
    binder.single("one_time_codes", OneTimeCodes, lambda: TotpCodes(settings.name))
    binder.service(PasskeyService, FactorService, SecondStepService)
