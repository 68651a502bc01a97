"""Who reaches what: the read model that every service decides about access with.

Part of profiles' published language (beside `events.py` and `access.py`): each service keeps these tables in its own
database, fed by the events of profiles, company, products and auth, its own among them.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.auth.events import StaffAdded
from services.company.events import AccountOpened, FrameworkAgreementOpened
from services.products.events import BizzOrdered, ETicketOrdered, NumberPlatePaymentOrdered, ProductClosed
from services.profiles.events import (
    AccountAdministratorGranted,
    AccountAdministratorRevoked,
    MainAdministratorGranted,
    MainAdministratorRevoked,
    ProductAccessGranted,
    ProductAccessRevoked,
    ProfileCancelled,
)
from services.profiles.policy import ACCOUNT, MAIN, PRODUCT
from shared.envelope import Recorded
from shared.errors import Forbidden, Refusal
from shared.eventstore.statement import Statement

STREAMS = ("profile", "company", "product", "staff")
"""The kinds of streams whose events change reach."""

GRANT_WITHDRAWN = "grant_withdrawn"


class GrantWithdrawn(Forbidden):
    """The grant that you acted under has been withdrawn meanwhile."""

    code = "grant-withdrawn"
    rule = "A14"


class Reach:
    """Which accounts and products does a profile reach, and by which grant?"""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "reach_grants": """
            CREATE TABLE IF NOT EXISTS reach_grants (
                profile_id text NOT NULL, kind text NOT NULL, target_id text NOT NULL,
                account_id text, company_id text NOT NULL, stream_version bigint NOT NULL,
                PRIMARY KEY (profile_id, kind, target_id));
            CREATE INDEX IF NOT EXISTS reach_grants_target ON reach_grants (target_id);
            CREATE INDEX IF NOT EXISTS reach_grants_account ON reach_grants (account_id);
            CREATE OR REPLACE FUNCTION reach_must_hold(who text, what text, target text) RETURNS void
            LANGUAGE plpgsql AS $$ BEGIN
                PERFORM 1 FROM reach_grants WHERE profile_id = who AND kind = what AND target_id = target;
                IF NOT FOUND THEN
                    RAISE check_violation USING CONSTRAINT = 'grant_withdrawn', MESSAGE = 'the grant is gone';
                END IF;
            END $$;""",
        "reach_accounts": """
            CREATE TABLE IF NOT EXISTS reach_accounts (
                account_id text PRIMARY KEY, company_id text NOT NULL, agreement_id text);
            CREATE INDEX IF NOT EXISTS reach_accounts_company ON reach_accounts (company_id);
            CREATE INDEX IF NOT EXISTS reach_accounts_agreement ON reach_accounts (agreement_id);
            CREATE OR REPLACE FUNCTION administered_accounts(who text) RETURNS TABLE (account_id text)
            LANGUAGE sql STABLE AS $$
                SELECT g.target_id FROM reach_grants g
                WHERE g.profile_id = who AND g.kind = 'account-administrator'
                UNION
                SELECT a.account_id FROM reach_grants g JOIN reach_accounts a ON a.agreement_id = g.target_id
                WHERE g.profile_id = who AND g.kind = 'main-administrator'
            $$;""",
        "reach_products": """
            CREATE TABLE IF NOT EXISTS reach_products (
                product_id text PRIMARY KEY, account_id text NOT NULL, company_id text NOT NULL, open boolean NOT NULL);
            CREATE INDEX IF NOT EXISTS reach_products_account ON reach_products (account_id, product_id);""",
        "reach_staff": "CREATE TABLE IF NOT EXISTS reach_staff (staff_id text PRIMARY KEY)",
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {GRANT_WITHDRAWN: GrantWithdrawn}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:  # noqa: PLR0911 (one case an event)
        match recorded.data:
            case MainAdministratorGranted(agreement_id=agreement, company_id=company):
                return [_granted(recorded, MAIN, agreement, None, company)]
            case AccountAdministratorGranted(account_id=account, company_id=company):
                return [_granted(recorded, ACCOUNT, account, account, company)]
            case ProductAccessGranted(product_id=product, account_id=account, company_id=company):
                return [_granted(recorded, PRODUCT, product, account, company)]
            case MainAdministratorRevoked(agreement_id=agreement):
                return [_revoked(recorded, MAIN, agreement)]
            case AccountAdministratorRevoked(account_id=account):
                return [_revoked(recorded, ACCOUNT, account)]
            case ProductAccessRevoked(product_id=product):
                return [_revoked(recorded, PRODUCT, product)]
            case ProfileCancelled(profile_id=profile):
                return [Statement("DELETE FROM reach_grants WHERE profile_id = %s", (profile,))]
            case AccountOpened() | FrameworkAgreementOpened():
                return _accounts(recorded.data)
            case BizzOrdered() | NumberPlatePaymentOrdered() | ETicketOrdered() as ordered:
                return [
                    Statement(
                        "INSERT INTO reach_products VALUES (%s, %s, %s, true) ON CONFLICT DO NOTHING",
                        (ordered.product_id, ordered.account_id, ordered.company_id),
                    )
                ]
            case ProductClosed(product_id=product):
                return [Statement("UPDATE reach_products SET open = false WHERE product_id = %s", (product,))]
            case StaffAdded(staff_id=staff):
                return [Statement("INSERT INTO reach_staff VALUES (%s) ON CONFLICT DO NOTHING", (staff,))]
            case _:
                return []


def must_hold(profile_id: str, kind: str, target_id: str) -> Statement:
    """A guard: the grant is still there at the commit, or the command is refused (GrantWithdrawn)."""
    return Statement("SELECT reach_must_hold(%s, %s, %s)", (profile_id, kind, target_id))


def _granted(recorded: Recorded, kind: str, target: str, account: str | None, company: str) -> Statement:
    return Statement(
        "INSERT INTO reach_grants VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (recorded.stream, kind, target, account, company, recorded.version),
    )


def _revoked(recorded: Recorded, kind: str, target: str) -> Statement:
    return Statement(
        "DELETE FROM reach_grants WHERE profile_id = %s AND kind = %s AND target_id = %s",
        (recorded.stream, kind, target),
    )


def _accounts(event: AccountOpened | FrameworkAgreementOpened) -> list[Statement]:
    if isinstance(event, AccountOpened):
        return [
            Statement(
                "INSERT INTO reach_accounts VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (event.account_id, event.company_id, event.agreement_id),
            )
        ]
    members = [event.framework_account_id, *event.sub_account_ids]
    sql: LiteralString = "UPDATE reach_accounts SET agreement_id = %s WHERE account_id = ANY(%s)"
    return [Statement(sql, (event.agreement_id, members))]
