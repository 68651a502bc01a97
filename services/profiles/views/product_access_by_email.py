"""Which product does this e-mail address have access to?

A8   An e-mail address has product access to only one product, across all accounts and companies, whoever grants it,
     however many grants are made at the same moment, on however many replicas, before and after any crash.

The unique key on the address decides, in the commit of the grant itself. A row carries its owner, so it is found and
freed with it, and goes along when the owner's address changes (A15).
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.profiles.domain.profile import EmailHasProductAccess
from services.profiles.events import EmailChanged, ProductAccessGranted, ProductAccessRevoked
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class ProductAccessByEmail:
    """One row an address with product access."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "product_access_by_email": """
            CREATE TABLE IF NOT EXISTS product_access_by_email (
                address text PRIMARY KEY, profile_id text NOT NULL UNIQUE, product_id text NOT NULL)"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"product_access_by_email_pkey": EmailHasProductAccess}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case ProductAccessGranted(profile_id=profile, product_id=product):
                yield Statement(
                    "INSERT INTO product_access_by_email "
                    "SELECT address, profile_id, %s FROM profile_by_email WHERE profile_id = %s",
                    (product, profile),
                )
            case ProductAccessRevoked(profile_id=profile, product_id=product):
                yield Statement(
                    "DELETE FROM product_access_by_email WHERE profile_id = %s AND product_id = %s", (profile, product)
                )
            case EmailChanged(profile_id=profile, address=address):
                yield Statement(
                    "UPDATE product_access_by_email SET address = %s WHERE profile_id = %s", (address, profile)
                )
            case _:
                pass
