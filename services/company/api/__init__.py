"""HTTP of company: request in, one use case, answer out. Decides nothing."""

from fastapi import APIRouter

from services.company.api import accounts, change_requests, companies
from services.company.use_cases import UseCases
from shared.http.door import Door


def routes(use: UseCases, door: Door) -> APIRouter:
    """The operations of company."""
    api = APIRouter(tags=["company"])
    companies.add(api, use.companies, door)
    change_requests.add(api, use.change_requests, door)
    accounts.add(api, use.companies, door)
    return api
