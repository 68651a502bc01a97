"""Fields: the kinds of text a request may carry, and the strict base of every request body."""

import unicodedata
from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints


def _printable(text: str) -> str:
    if any(unicodedata.category(character) in {"Cc", "Cs", "Cn"} for character in text):
        raise ValueError("must not contain control characters")
    return text


Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_printable)
]
"""One line of text that people write and read."""


class NumberOfItsOwn:
    """Says that a field is no free text but a number with a form of its own, such as an EAN number."""


NUMBER_OF_ITS_OWN = NumberOfItsOwn()
"""For `Annotated[Line, NUMBER_OF_ITS_OWN]`: the field's own rule refuses what is no such number, or it is only looked
for and never kept (P6)."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z]+(-[a-z]+)*-[0-9a-f]{32}$", max_length=80)]
"""An identifier in a body."""


class Form(BaseModel):
    """A request body: unknown fields are refused, nothing is converted (a number is not a string)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Confirmation(Form):
    """What cannot be undone must be confirmed."""

    confirm: bool = Field(examples=[True])


def identifier_in_path(kind: str) -> Any:
    """A path parameter that names a thing; what cannot be such a name is answered 404."""
    return Path(pattern=rf"^{kind}-[0-9a-f]{{32}}$", examples=[f"{kind}-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"])
