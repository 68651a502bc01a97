"""HTTP of products: request in, one use case, answer out. Decides nothing."""

from fastapi import APIRouter

from services.products.api import journeys, products
from services.products.use_cases import UseCases
from shared.http.door import Door


def routes(use: UseCases, door: Door) -> APIRouter:
    """The operations of products."""
    api = APIRouter(tags=["products"])
    products.add(api, use.products, door)
    journeys.add(api, use.parked_journeys, door)
    return api
