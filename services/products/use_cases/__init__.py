"""What products does, one file for each thing that people do with it.

bulk.py      ordering from a file
cards.py     the payment cards of an account: added, replaced, chosen, removed
products.py  ordering products, changing and closing them, finding them
"""

from dataclasses import dataclass

from services.products.use_cases.bulk import BulkOrdering
from services.products.use_cases.cards import CareOfCards
from services.products.use_cases.products import CareOfProducts


@dataclass(frozen=True, slots=True)
class UseCases:
    """The commands and questions of products."""

    products: CareOfProducts
    bulk: BulkOrdering
    cards: CareOfCards
