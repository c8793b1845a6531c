"""What all answers have in common, refusals, and how the process is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Amount = Annotated[str, Field(pattern=r"^-?[0-9]+\.[0-9]{2,4}$", examples=["1234.50"])]
Currency = Annotated[str, Field(examples=["USD"])]
Guid = Annotated[str, Field(examples=["CRD-9f61fb4c-912c-bd1e-b175-ccc7f0275cc1"])]
InstitutionCode = Annotated[str, Field(examples=["mxbank"])]
Cursor = Annotated[str, Field(examples=["WyIyMDI2LTExLTAxIl0"])]
Doubt = Literal["job_moved", "total_moved", "rows_twice", "rows_missing"]


class Shape(BaseModel):
    """Base of what is answered: a field is always there, null where it says nothing, unless it has a default."""

    model_config = ConfigDict(frozen=True)


class Problem(Shape):
    """A refusal (RFC 9457); some have further members.

    Args:
        type: a name for the kind of refusal, made of the code.
        code: a stable word for programs.
        detail: what was wrong and what to do, for people.
        request_id: by which the logs tell of it.
        errors: every bad field of the request, of a 422.
        scope: the scope that the token lacks, of a 403.
        max_age: seconds that the log-in may be ago, of a 401 `insufficient_user_authentication`.
    """

    model_config = ConfigDict(extra="allow")

    type: str = Field(pattern=r"^urn:donkies:error:[a-z_]+$", examples=["urn:donkies:error:not_found"])
    status: int = Field(ge=400, le=599, examples=[404])
    code: str = Field(pattern=r"^[a-z_]+$", examples=["not_found"])
    detail: str = Field(examples=["There is no linked account with this id."])
    request_id: str = Field("", examples=["a1b2c3d4e5f6-00002a"])
    errors: list[BadField] = []
    scope: str = Field("", examples=["accounts:read"])
    max_age: int = Field(0, examples=[600])


class BadField(Shape):
    """A field of the request that cannot be used.

    Args:
        field: its name; nested ones as `credentials.0.guid`.
    """

    field: str = Field(examples=["limit"])
    detail: str = Field(examples=["Input should be less than or equal to 500."])


class Health(Shape):
    """How the process is.

    Args:
        database: up, or what is wrong with it.
    """

    model_config = ConfigDict(extra="allow")

    status: Literal["alive", "ready", "unready"]
    database: str = Field("", examples=["up"])


Problem.model_rebuild()
