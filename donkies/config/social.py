"""Google and Facebook, as the settings name them."""

from __future__ import annotations

from ..adapters.social import AuthomaticProviders, Keys
from ..adapters.social.calls import ProviderCalls
from ..adapters.social.facebook import FacebookProvider
from ..adapters.social.google import GoogleProvider
from ..adapters.social.id_tokens import IdTokenVerifier, PublishedKeys
from ..domain.unit_of_work import Clock
from .settings import Settings


def make_providers(settings: Settings, clock: Clock) -> AuthomaticProviders:
    """Those whose id and secret are both set."""
    # a quarter of the threads, as for the aggregator: a provider that hangs must leave the others
    calls = ProviderCalls(settings.social_timeout_s, max(1, settings.web_threads // 4), settings.social_ca_file)
    google = GoogleProvider(
        settings.google_auth_url,
        settings.google_token_url,
        settings.google_issuer,
        IdTokenVerifier(
            PublishedKeys(calls, settings.google_jwks_url),
            clock,
            issuer=settings.google_issuer,
            client_id=settings.google_client_id,
        ),
    )
    facebook = FacebookProvider(
        settings.facebook_auth_url,
        settings.facebook_token_url,
        settings.facebook_me_url,
        tuple(settings.facebook_scopes.split()),
    )
    given = {
        "google": Keys(settings.google_client_id, settings.google_client_secret.get_secret_value()),
        "facebook": Keys(settings.facebook_client_id, settings.facebook_client_secret.get_secret_value()),
    }
    keys = {name: one for name, one in given.items() if one.client_id and one.client_secret}
    return AuthomaticProviders({"google": google, "facebook": facebook}, keys, calls)
