"""HTTP of products: request in, one use case, answer out. Decides nothing."""

from fastapi import APIRouter

from services.products.api import bulk, cards, journeys, products, usage
from services.products.use_cases import UseCases
from shared.http.door import Door


def routes(use: UseCases, door: Door) -> APIRouter:
    """The operations of products."""
    api = APIRouter(tags=["products"])
    products.add(api, use.products, door)
    bulk.add(api, use.bulk, door)
    cards.add(api, use.cards, door)
    journeys.add(api, use.parked_journeys, door)
    usage.add(api, use.usage, door)
    return api
