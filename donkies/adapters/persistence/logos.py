"""Logos of institutions, in SQL. They are nobody's: no row says who looked at which bank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select, update

from ...domain.logos import KeptLogo, Picture
from .tables.banking import institution_logos
from .unit_of_work import ZopeUnitOfWork
from .upsert import insert

k = institution_logos.c


@dataclass
class SqlLogoStore:
    """LogoStore in the table `institution_logos`."""

    unit_of_work: ZopeUnitOfWork

    def note(self, sources: Mapping[str, str]) -> None:
        statement = insert(self.unit_of_work.session, institution_logos)
        moved = statement.on_conflict_do_update(
            index_elements=["code"],
            set_={"source_url": statement.excluded.source_url, "fresh_until": None},
            where=k.source_url != statement.excluded.source_url,
        )
        # in one order everywhere, so that two that note the same never wait for each other in a ring
        rows = [{"code": code, "source_url": url} for code, url in sorted(sources.items())]
        self.unit_of_work.session.connection().execute(moved, rows)

    def get(self, code: str) -> KeptLogo | None:
        row = self.unit_of_work.session.execute(select(*k).where(k.code == code)).first()
        if row is None:
            return None
        picture = None if row.body is None else Picture(row.content_type, row.body)
        return KeptLogo(row.code, row.source_url, picture, row.etag, row.fresh_until)

    def put(self, logo: KeptLogo) -> None:
        picture = logo.picture
        self.unit_of_work.session.execute(
            update(institution_logos)
            .where(k.code == logo.code, k.source_url == logo.source_url)
            .values(
                content_type=picture and picture.content_type,
                body=picture and picture.body,
                etag=logo.etag,
                fresh_until=logo.fresh_until,
            )
        )
