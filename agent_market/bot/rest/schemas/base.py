"""What every answer has in common. Times are UTC; returns and shares are fractions (0.01 = one per cent)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Base: the docstring of a field is its description."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)
