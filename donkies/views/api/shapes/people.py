"""The person."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from pydantic import Field

from .base import Shape


class Profile(Shape):
    """A person's profile."""

    id: UUID
    first_name: str = Field(examples=["Ada"])
    last_name: str = Field(examples=["Example"])
    email: str | None = Field(examples=["ada@people.example"])
    email_verified: bool
    birthday: date | None
    picture: str | None = Field(examples=["https://pictures.example/ada.png"])
    locale: str | None = Field(examples=["en-GB"])
    created_at: datetime


class Erasure(Shape):
    """What became of a person's wish to be erased."""

    receipt: UUID
    status: str = Field(examples=["pending"])
    requested_at: datetime
    done_at: datetime | None
