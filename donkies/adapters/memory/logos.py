"""Logos of institutions, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...domain.logos import KeptLogo
from .unit_of_work import MemoryUnitOfWork


@dataclass
class MemoryLogoStore:
    """LogoStore in a dict."""

    unit_of_work: MemoryUnitOfWork

    def note(self, sources: Mapping[str, str]) -> None:
        logos = self.unit_of_work.tables.logos
        for code, url in sources.items():
            kept = logos.get(code) or KeptLogo(code, url)
            logos[code] = kept if kept.source_url == url else replace(kept, source_url=url, fresh_until=None)

    def get(self, code: str) -> KeptLogo | None:
        return self.unit_of_work.tables.logos.get(code)

    def put(self, logo: KeptLogo) -> None:
        logos = self.unit_of_work.tables.logos
        if logo.code in logos and logos[logo.code].source_url == logo.source_url:
            logos[logo.code] = logo
