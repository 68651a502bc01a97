"""HTTP of products: request in, one use case, answer out. Decides nothing."""

from fastapi import APIRouter

from services.products.api import products, usage
from services.products.use_cases import UseCases
from shared.http.door import Door


def routes(use: UseCases, door: Door) -> APIRouter:
    """The operations of products."""
    api = APIRouter(tags=["products"])
    products.add(api, use.products, door)
    usage.add(api, use.usage, door)
    return api
