"""Events: how a service's published language is declared, named, classed and read back.

An event is written once, in one schema: what is stored is what is published is what an analyst replays. Its name is
stable (`products.product-ordered.v1`) and never the path of a class. Every field says what it is to privacy: a field
that is not classed cannot be declared. Older versions are lifted (`upcast`) when they are read; what is stored stays.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

T = TypeVar("T")


class Privacy(Enum):
    """What a field means for the privacy of a person."""

    NONE = "none"
    PSEUDONYM = "pseudonym"
    PERSONAL = "personal"


Plain = Annotated[T, Privacy.NONE]
"""A field that says nothing about a person."""
Pseudonym = Annotated[T, Privacy.PSEUDONYM]
"""A random identifier behind which a person or a thing may stand."""
Personal = Annotated[T, Privacy.PERSONAL]
"""Personal data: names, addresses, telephone numbers, number plates."""

JsonObject = dict[str, Any]


class UnclassedFieldError(TypeError):
    """A field of an event does not say what it is to privacy."""


class UnknownEventError(LookupError):
    """No class is registered for the name of an event (for example one of a newer version)."""


class Event(BaseModel):
    """One thing that happened: frozen, keyword-only, without unknown fields, registered under its stable name.

    Declare with `class ProductOrdered(Event, type="products.product-ordered.v1")`. Raises UnclassedFieldError at
    declaration when a field is not one of Plain, Pseudonym or Personal, and ValueError when the name is taken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: ClassVar[str] = ""

    def __init_subclass__(cls, type: str = "", **config: Any) -> None:  # noqa: A002 (it is the name CloudEvents gives it)
        super().__init_subclass__(**config)

    @classmethod
    def __pydantic_init_subclass__(cls, type: str = "", **_: Any) -> None:  # noqa: A002 (as above)
        unclassed = [name for name, field in cls.model_fields.items() if privacy_of(field) is None]
        if unclassed:
            raise UnclassedFieldError(f"{cls.__name__}: say what {', '.join(unclassed)} is to privacy")
        if type:
            cls.type = type
            _register(cls)

    def to_json(self) -> bytes:
        """The event as it is stored and published: UTF-8 JSON in the order of the fields."""
        return self.__pydantic_serializer__.to_json(self)


_REGISTRY: dict[str, type[Event]] = {}
_UPCASTERS: dict[str, tuple[str, Callable[[JsonObject], JsonObject]]] = {}


def _register(cls: type[Event]) -> None:
    known = _REGISTRY.setdefault(cls.type, cls)
    if known is not cls and known.__qualname__ != cls.__qualname__:
        raise ValueError(f"{cls.type} is already the name of {known.__qualname__}")
    _REGISTRY[cls.type] = cls


def privacy_of(field: FieldInfo) -> Privacy | None:
    """The class of a field, or None when it has none."""
    return next((mark for mark in field.metadata if isinstance(mark, Privacy)), None)


def upcast(old: str, new: str) -> Callable[[Callable[[JsonObject], JsonObject]], Callable[[JsonObject], JsonObject]]:
    """Declare how the stored JSON of an `old` event reads as a `new` one; chains are followed.

    Raises ValueError when `old` is lifted already, or when lifting would never end.
    """
    if old in _UPCASTERS or newest(new) == old:
        raise ValueError(f"{old} is lifted already, or would be for ever")

    def declare(lift: Callable[[JsonObject], JsonObject]) -> Callable[[JsonObject], JsonObject]:
        _UPCASTERS[old] = (new, lift)
        return lift

    return declare


def newest(name: str) -> str:
    """The name that an event has once it is lifted as far as it goes."""
    while name in _UPCASTERS:
        name, _ = _UPCASTERS[name]
    return name


def read_as(name: str) -> frozenset[str]:
    """Every name whose events read as what an event of this name reads as, its own included."""
    return frozenset({name, newest(name), *(older for older in _UPCASTERS if newest(older) == newest(name))})


def decode(name: str, content: JsonObject) -> Event:
    """Read a stored or received event, lifted to the newest version.

    Raises UnknownEventError for a name that nobody declared, pydantic.ValidationError for content that does not fit,
    TypeError for content that is no JSON object.
    """
    if not isinstance(content, dict):
        raise TypeError(f"{name}: not a JSON object")
    while name in _UPCASTERS:
        name, lift = _UPCASTERS[name]
        content = lift(content)
    return class_of(name).model_validate(content)


def class_of(name: str) -> type[Event]:
    """The class of the events with this name. Raises UnknownEventError."""
    try:
        return _REGISTRY[name]
    except KeyError:
        raise UnknownEventError(f"no event is called {name}") from None


def declared(service: str) -> Iterator[type[Event]]:
    """Every event class of one service, by name."""
    return iter([cls for name, cls in sorted(_REGISTRY.items()) if name.split(".", 1)[0] == service])
