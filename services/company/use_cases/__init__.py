"""What company does, one file for each thing that people do with it.

companies.py        companies, accounts and agreements: set up, changed directly, ended, found
change_requests.py  what customer service decides: asked for, approved, declined, withdrawn, found
"""

from dataclasses import dataclass

from services.company.use_cases.change_requests import ChangeRequests
from services.company.use_cases.companies import CareOfCompanies


@dataclass(frozen=True, slots=True)
class UseCases:
    """The commands and questions of company."""

    companies: CareOfCompanies
    change_requests: ChangeRequests
