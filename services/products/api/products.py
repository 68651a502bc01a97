"""HTTP of products themselves: ordered, changed, closed, found."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends, Query
from pydantic import Field
from starlette.responses import Response

from services.products.domain.vehicles import Vehicle
from services.products.events import ProductKind
from services.products.use_cases.products import CareOfProducts, ETicket
from services.products.views import products
from services.products.views.products import State, Wanted
from services.profiles.consequences import DryRun
from services.profiles.policy import (
    ACTIVATE_BIZZ,
    CHANGE_REFERENCE,
    CLOSE_PRODUCT,
    DESCRIBE_VEHICLE,
    DISPATCH_BIZZ,
    LIST_PRODUCTS,
    ORDER_PRODUCT,
    READ_PRODUCT,
    asks,
)
from shared.cause import Cause, Written
from shared.http.door import Caller, Command, Door
from shared.http.fields import Confirmation, Form, Line, identifier_in_path
from shared.http.openapi import COMMAND, QUERY, Answer

ProductId = Annotated[str, identifier_in_path("product")]
AccountId = Annotated[str, identifier_in_path("account")]
After = Annotated[str, Query(max_length=80, pattern=r"^[0-9a-z-]*$", description="`next` of the last page.")]
OfAccount = Annotated[
    str | None, Query(pattern=r"^account-[0-9a-f]{32}$", description="Only products of this account.")
]
OfKind = Annotated[ProductKind | None, Query(description="Only products of this kind.")]
OfReference = Annotated[Line | None, Query(description="Only products with this in their reference (P5).")]
OfState = Annotated[
    State | Literal["open"] | None, Query(description="Only products in this state; what is not closed is open.")
]
OfCountry = Annotated[
    str | None, Query(pattern=r"^[A-Za-z]{2}$", description="Only products made for a plate of this country.")
]
OfPlate = Annotated[
    Line | None,
    Query(description="Only what is made for this plate, or the bizz in the car that has it; spaces do not count."),
]
OfDevice = Annotated[Line | None, Query(description="Only the bizz with this device number.")]
WithText = Annotated[
    Line | None,
    Query(description="Only products with this in their reference, plate, VIN, device number, make or model."),
]

A_PRODUCT = "product-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"
AN_ACCOUNT = "account-0192f1c0a1b27c3d8e4f5a6b7c8d9e10"
A_COMPANY = "company-0192f1c0a1b27c3d8e4f5a6b7c8d9e11"
COUNTRY = Field(examples=["DK"], description="Two letters, such as DK, SE or DE.")
PLATE = Field(examples=["AB 12 345"], description="Spaces and hyphens do not count.")
REFERENCE = Field(default=None, examples=["Van 12"], description="A name of the customer's own.")


class BizzForm(Form):
    """An order for a bizz (P1)."""

    kind: Literal["bizz"]
    reference: Line | None = REFERENCE


class NumberPlatePaymentForm(Form):
    """An order for a number plate payment (P2)."""

    kind: Literal["number-plate-payment"]
    country: Line = COUNTRY
    plate: Line = PLATE
    reference: Line | None = REFERENCE


class ETicketForm(Form):
    """An order for an eTicket (P3)."""

    kind: Literal["eticket"]
    country: Line = COUNTRY
    plate: Line = PLATE
    vin: Line = Field(examples=["WVWZZZ1JZXW000001"], description="17 letters and digits, without I, O and Q.")
    vehicle_type: Line = Field(examples=["lorry"])
    trips: int = Field(examples=[2], description="1 or 2.")
    details_are_right: bool = Field(examples=[True])
    may_be_used_everywhere: bool = Field(examples=[True], description="It may be used at every partner.")
    reference: Line | None = REFERENCE


OrderForm = Annotated[
    BizzForm | NumberPlatePaymentForm | ETicketForm,
    Body(
        discriminator="kind",
        openapi_examples={
            "bizz": {"value": {"kind": "bizz", "reference": "Van 12"}},
            "number-plate-payment": {
                "value": {"kind": "number-plate-payment", "country": "DK", "plate": "AB 12 345"},
            },
            "eticket": {
                "value": {
                    "kind": "eticket",
                    "country": "SE",
                    "plate": "ABC 123",
                    "vin": "WVWZZZ1JZXW000001",
                    "vehicle_type": "lorry",
                    "trips": 2,
                    "details_are_right": True,
                    "may_be_used_everywhere": True,
                },
            },
        },
    ),
]


class ReferenceForm(Form):
    """A reference; null takes it away."""

    reference: Line | None = Field(examples=["Van 12"])


class VehicleForm(Form):
    """The vehicle information, all of it (A7); what is left out is taken away."""

    make: Line | None = Field(default=None, examples=["Volvo"])
    model: Line | None = Field(default=None, examples=["FH16"])
    vehicle_type: Line | None = Field(default=None, examples=["lorry"])
    plate: Line | None = Field(default=None, examples=["CD 67 890"], description="Only for a bizz: the car it sits in.")


class DeviceForm(Form):
    """The device that a bizz is sent out with."""

    device_number: Line = Field(examples=["9208000000000001"], description="16 digits that start with 9208.")


class Ordered(Answer):
    """The product that was ordered."""

    product_id: str = Field(examples=[A_PRODUCT])


class Changed(Answer):
    """The product that was changed."""

    product_id: str = Field(examples=[A_PRODUCT])


class VehicleInformation(Answer):
    """The vehicle that a product is used in (A7)."""

    make: str | None = Field(examples=["Volvo"])
    model: str | None = Field(examples=["FH16"])
    vehicle_type: str | None = Field(examples=["lorry"])
    plate: str | None = Field(examples=["CD67890"], description="Only of a bizz: the car it sits in.")


class Product(Answer):
    """A product; what its kind does not have is null."""

    product_id: str = Field(examples=[A_PRODUCT])
    account_id: str = Field(examples=[AN_ACCOUNT])
    company_id: str = Field(examples=[A_COMPANY])
    kind: ProductKind = Field(examples=["number-plate-payment"])
    state: State = Field(
        examples=["active"], description="What is made for a plate is active from its order on, usable from the times."
    )
    reference: str | None = Field(examples=["Van 12"])
    ordered_at: datetime = Field(examples=["2026-03-02T12:00:00Z"])
    country: str | None = Field(examples=["DK"])
    plate: str | None = Field(examples=["AB12345"], description="The plate that the product is made for (P2).")
    usable_at_storebaelt_from: datetime | None = Field(examples=["2026-03-02T12:20:00Z"])
    usable_elsewhere_from: datetime | None = Field(examples=["2026-03-03T12:00:00Z"])
    vin: str | None = Field(examples=["WVWZZZ1JZXW000001"])
    trips: int | None = Field(examples=[2])
    trips_left: int | None = Field(
        examples=[1], description="How many trips of an eTicket are yet to be driven; after the last it is closed (P3)."
    )
    device_number: str | None = Field(examples=["9208000000000001"])
    vehicle: VehicleInformation
    closed_at: datetime | None = Field(examples=["2026-04-02T12:00:00Z"])
    closed_at_partners_by: datetime | None = Field(examples=["2026-04-03T12:00:00Z"])


class ProductsPage(Answer):
    """A page of products; ask for the next one with `after=next`."""

    items: list[Product]
    next: str | None


def add(api: APIRouter, use: CareOfProducts, door: Door) -> None:
    """The operations on products."""
    _ordering_and_questions(api, use, door)
    _changes(api, use, door)


def _ordering_and_questions(api: APIRouter, use: CareOfProducts, door: Door) -> None:
    @api.post(
        "/accounts/{account_id}/products",
        status_code=201,
        operation_id="orderProduct",
        **asks(ORDER_PRODUCT),
        responses=COMMAND,
        response_model=Ordered,
    )
    async def order(
        account_id: AccountId, form: OrderForm, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Order a bizz, a number plate payment or an eTicket on an account (A5, P1, P2, P3)."""
        return await command.run(lambda cause: _order(use, account_id, form, cause), status=201)

    @api.get("/products", operation_id="listProducts", **asks(LIST_PRODUCTS), responses=QUERY)
    async def listed(
        *,
        caller: Annotated[Caller, Depends(door.caller)],
        account_id: OfAccount = None,
        kind: OfKind = None,
        reference: OfReference = None,
        state: OfState = None,
        country: OfCountry = None,
        plate: OfPlate = None,
        device_number: OfDevice = None,
        text: WithText = None,
        after: After = "",
    ) -> ProductsPage:
        """List the products within reach: of the accounts one administers, or the one of a product access (A6, A13)."""
        wanted = Wanted(
            account_id=account_id,
            kind=kind,
            reference=reference,
            state=state,
            country=country,
            plate=plate,
            device_number=device_number,
            text=text,
            after=after,
        )
        found = await use.list_products(wanted, caller.actor)
        more = found[-1]["product_id"] if len(found) == products.PAGE else None
        return ProductsPage(items=[Product(**row) for row in found], next=more)

    @api.get("/products/{product_id}", operation_id="getProduct", **asks(READ_PRODUCT), responses=QUERY)
    async def product(product_id: ProductId, caller: Annotated[Caller, Depends(door.caller)]) -> Product:
        """See one product within reach (A6, A13)."""
        return Product(**await use.see(product_id, caller.actor))


async def _order(
    use: CareOfProducts, account_id: str, form: BizzForm | NumberPlatePaymentForm | ETicketForm, cause: Cause
) -> Written:
    match form:
        case BizzForm():
            return await use.order_bizz(account_id, form.reference, cause)
        case NumberPlatePaymentForm():
            return await use.order_number_plate_payment(account_id, form.country, form.plate, form.reference, cause)
        case ETicketForm():
            return await use.order_eticket(account_id, ETicket(**form.model_dump(exclude={"kind"})), cause)


def _changes(api: APIRouter, use: CareOfProducts, door: Door) -> None:
    @api.put(
        "/products/{product_id}/reference",
        operation_id="changeReference",
        **asks(CHANGE_REFERENCE),
        responses=COMMAND,
        response_model=Changed,
    )
    async def refer(
        product_id: ProductId, form: ReferenceForm, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Give a product another reference, or none; administrators only (P5)."""
        return await command.run(lambda cause: use.change_reference(product_id, form.reference, cause))

    @api.put(
        "/products/{product_id}/vehicle",
        operation_id="describeVehicle",
        **asks(DESCRIBE_VEHICLE),
        responses=COMMAND,
        response_model=Changed,
    )
    async def describe(
        product_id: ProductId, form: VehicleForm, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Bring a product's vehicle information up to date; whoever has access to it may (A6, A7)."""
        vehicle = Vehicle(form.make, form.model, form.vehicle_type, form.plate)
        return await command.run(lambda cause: use.describe_vehicle(product_id, vehicle, cause))

    @api.post(
        "/products/{product_id}/close",
        operation_id="closeProduct",
        **asks(CLOSE_PRODUCT),
        responses=COMMAND,
        response_model=Changed | DryRun,
    )
    async def close(
        product_id: ProductId,
        form: Confirmation,
        command: Annotated[Command, Depends(door.rehearsable(use.foresee))],
    ) -> Response:
        """Close a product: at once here, at the partners within 24 hours; administrators only (P4)."""
        return await command.run(lambda cause: use.close_product(product_id, form.confirm, cause))

    @api.post(
        "/products/{product_id}/dispatch",
        operation_id="dispatchBizz",
        **asks(DISPATCH_BIZZ),
        responses=COMMAND,
        response_model=Changed,
    )
    async def dispatch(
        product_id: ProductId, form: DeviceForm, command: Annotated[Command, Depends(door.command)]
    ) -> Response:
        """Send a bizz out with its device; customer service only (P1)."""
        return await command.run(lambda cause: use.dispatch_bizz(product_id, form.device_number, cause))

    @api.post(
        "/products/{product_id}/activate",
        operation_id="activateBizz",
        **asks(ACTIVATE_BIZZ),
        responses=COMMAND,
        response_model=Changed,
    )
    async def activate(product_id: ProductId, command: Annotated[Command, Depends(door.command)]) -> Response:
        """Take a dispatched bizz into use; customer service only (P1)."""
        return await command.run(lambda cause: use.activate_bizz(product_id, cause))
