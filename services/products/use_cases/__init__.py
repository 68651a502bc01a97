"""What products does, one file for each thing that people do with it.

products.py  ordering products, changing and closing them, finding them
usage.py     what was driven and what it cost, receipts
"""

from dataclasses import dataclass

from services.products.use_cases.products import CareOfProducts
from services.products.use_cases.usage import Usage


@dataclass(frozen=True, slots=True)
class UseCases:
    """The commands and questions of products."""

    products: CareOfProducts
    usage: Usage
