"""What products does, one file for each thing that people do with it.

products.py         ordering products, changing and closing them, finding them
bulk.py             ordering from a file
cards.py            the payment cards of an account: added, replaced, chosen, removed
journeys.py         taking in what operators say was driven
journey_files.py    taking in the same from files
parked_journeys.py  what customer service does about journeys that could not be attributed
usage.py            what was driven and what it cost, receipts
"""

from dataclasses import dataclass

from services.products.use_cases.bulk import BulkOrdering
from services.products.use_cases.cards import CareOfCards
from services.products.use_cases.journey_files import JourneyFilesComing
from services.products.use_cases.journeys import IntakeOfJourneys
from services.products.use_cases.parked_journeys import CareOfParkedJourneys
from services.products.use_cases.products import CareOfProducts
from services.products.use_cases.usage import Usage


@dataclass(frozen=True, slots=True)
class UseCases:
    """The commands and questions of products."""

    products: CareOfProducts
    bulk: BulkOrdering
    cards: CareOfCards
    journeys: IntakeOfJourneys
    parked_journeys: CareOfParkedJourneys
    journey_files: JourneyFilesComing
    usage: Usage
