"""The vehicle that a product is used in.

A7   Vehicle information is make, model, type and, for a bizz, the plate of the car it sits in.
P3   An eTicket needs a VIN (17 characters, no I, O, Q) and a vehicle type.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from shared.errors import Invalid


class VehicleType(StrEnum):
    """The types that partners tell apart."""

    MOTORCYCLE = "motorcycle"
    PASSENGER_CAR = "passenger-car"
    VAN = "van"
    CAMPER = "camper"
    BUS = "bus"
    LORRY = "lorry"


class VehicleTypeUnknown(Invalid):
    """The vehicle type is one of motorcycle, passenger-car, van, camper, bus and lorry."""

    code = "vehicle-type-unknown"
    rule = "P3"


class VinMalformed(Invalid):
    """A VIN is 17 letters and digits, without I, O and Q."""

    code = "vin-malformed"
    rule = "P3"


@dataclass(frozen=True, slots=True)
class Vehicle:
    """The vehicle information of a product (A7); `plate` only for a bizz."""

    make: str | None = None
    model: str | None = None
    vehicle_type: str | None = None
    plate: str | None = None


def vehicle_type(text: str) -> str:
    """The vehicle type as events carry it. Raises VehicleTypeUnknown."""
    try:
        return VehicleType(text).value
    except ValueError:
        raise VehicleTypeUnknown from None


def vin(text: str) -> str:
    """The vehicle identification number in upper case (P3). Raises VinMalformed."""
    number = unicodedata.normalize("NFKC", text).strip().upper()
    if not re.fullmatch("[0-9A-HJ-NPR-Z]{17}", number):
        raise VinMalformed
    return number
