"""The ports `LogoStore` and `LogoSource`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from donkies.domain.logos import KeptLogo, LogoSource, LogoUnusable, Picture
from donkies.testing.banking import Stores, World
from donkies.testing.factories import NOON

HERE, THERE = "https://pictures.example/a.png", "https://pictures.example/b.png"
FETCHED = KeptLogo("bank", HERE, Picture("image/png", b"\x89PNG\0\xff"), "digest", NOON)


class LogoStoreContract:
    """What every `LogoStore` does. Needs the fixture `world`, as `MemoryWorld` is one."""

    @pytest.fixture
    def stores(self, world: World) -> Stores:
        stores = world.stores()
        with stores.unit_of_work:
            stores.logos.note({"bank": HERE, "other": HERE})
        return stores

    def get(self, stores: Stores, code: str = "bank") -> KeptLogo | None:
        with stores.unit_of_work:
            found: KeptLogo | None = stores.logos.get(code)
            return found

    def put(self, stores: Stores, logo: KeptLogo) -> None:
        with stores.unit_of_work:
            stores.logos.put(logo)

    def test_what_was_noted_is_there_without_a_picture(self, stores: Stores) -> None:
        assert KeptLogo("bank", HERE) == self.get(stores)
        assert self.get(stores, "unknown") is None

    def test_what_was_fetched_is_kept_byte_for_byte_and_of_this_bank_only(self, stores: Stores) -> None:
        self.put(stores, FETCHED)
        assert FETCHED == self.get(stores)
        assert KeptLogo("other", HERE) == self.get(stores, "other")

    def test_noted_again_it_stays(self, stores: Stores) -> None:
        self.put(stores, FETCHED)
        with stores.unit_of_work:
            stores.logos.note({"bank": HERE})
        assert FETCHED == self.get(stores)

    def test_another_address_makes_it_due_and_the_old_picture_stays_until_then(self, stores: Stores) -> None:
        self.put(stores, FETCHED)
        with stores.unit_of_work:
            stores.logos.note({"bank": THERE})
        assert replace(FETCHED, source_url=THERE, fresh_until=None) == self.get(stores)

    def test_a_picture_of_the_old_address_is_not_put_for_the_new_one(self, stores: Stores) -> None:
        with stores.unit_of_work:
            stores.logos.note({"bank": THERE})
        self.put(stores, FETCHED)
        assert KeptLogo("bank", THERE) == self.get(stores)

    def test_that_there_is_none_is_kept_too(self, stores: Stores) -> None:
        self.put(stores, FETCHED)
        nothing = KeptLogo("bank", HERE, fresh_until=NOON)
        self.put(stores, nothing)
        assert nothing == self.get(stores)


class LogoSourceContract:
    """What every `LogoSource` does. Fixtures: `source`; `there`, a picture's address; `missing`, of none."""

    def test_a_picture_is_fetched_and_is_what_its_bytes_say(self, source: LogoSource, there: str) -> None:
        picture = source.fetch(there)
        assert picture.content_type in ("image/png", "image/jpeg", "image/gif", "image/webp")
        assert picture.body

    def test_what_is_not_there_is_not_usable_and_may_be_asked_for_again(self, source: LogoSource, missing: str) -> None:
        for _ in range(2):
            with pytest.raises(LogoUnusable):
                source.fetch(missing)
