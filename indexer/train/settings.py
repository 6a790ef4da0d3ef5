"""The kinds of numbers that a method's settings are; pydantic refuses all others."""

from typing import Annotated

from pydantic import Field

__all__ = ["Count", "Positive", "Share", "ShareAboveZero"]

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
ShareAboveZero = Annotated[float, Field(gt=0, le=1)]
