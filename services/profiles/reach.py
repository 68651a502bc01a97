"""Who reaches what: the read model that every service decides about access with.

Part of profiles' published language (beside `events.py` and `access.py`): each service keeps these tables in its own
database, fed by the events of profiles, company, products and auth, its own among them.

C7   What was granted on an account or an agreement that has ended is within nobody's reach as soon as its end is heard
     of, whether or not profiles has said yet that the grants ended, and in whatever order all of it arrives.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString, assert_never

from services.auth.events import StaffAdded
from services.company.events import AccountEnded, AccountOpened, FrameworkAgreementEnded, FrameworkAgreementOpened
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
from shared.errors import Conflict, Forbidden, Refusal
from shared.eventstore.statement import Statement

STREAMS = ("profile", "company", "product", "staff")
"""The kinds of streams whose events change reach."""

GRANT_WITHDRAWN = "grant_withdrawn"


class GrantWithdrawn(Forbidden):
    """The grant that you acted under has been withdrawn meanwhile."""

    code = "grant-withdrawn"
    rule = "A14"


class AccountHasEnded(Conflict):
    """This account has ended."""

    code = "account-ended"
    rule = "C7"


class AgreementHasEnded(Conflict):
    """This framework agreement has ended."""

    code = "agreement-ended"
    rule = "C7"


ASKER_IS_STAFF: LiteralString = "(SELECT asker_is_staff())"
"""For the conditions of views on their rows: whoever asks is one of customer service. A sub-select is asked once."""

GRANT_IN_REACH: LiteralString = f"""{ASKER_IS_STAFF} OR profile_id = (SELECT asker('profile'))
    OR account_id IN (SELECT asker_accounts())
    OR kind = 'main-administrator' AND target_id IN (SELECT asker_agreements())"""
"""For tables with one row a grant: one's own, those on accounts that one administers, main administrators' there."""

# What whoever asks reaches, for the same conditions; they run as the owner, who sees all of reach where the reader does
# not, and tell nobody of anybody else's. PL/pgSQL keeps their plans.
_OF_THE_ASKER: LiteralString = """
    CREATE OR REPLACE FUNCTION asker_is_staff() RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$ BEGIN
        RETURN EXISTS (SELECT 1 FROM reach_staff WHERE staff_id = asker('staff'));
    END $$;
    CREATE OR REPLACE FUNCTION asker_accounts() RETURNS SETOF text ROWS 10
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$ BEGIN
        RETURN QUERY SELECT account_id FROM administered_accounts(asker('profile'));
    END $$;
    CREATE OR REPLACE FUNCTION asker_agreements() RETURNS SETOF text ROWS 10
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$ BEGIN
        RETURN QUERY SELECT agreement_id FROM reach_accounts JOIN administered_accounts(asker('profile'))
            USING (account_id) WHERE agreement_id IS NOT NULL;
    END $$;
    CREATE OR REPLACE FUNCTION asker_companies() RETURNS SETOF text ROWS 3
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$ BEGIN
        RETURN QUERY SELECT company_id FROM reach_accounts JOIN administered_accounts(asker('profile'))
            USING (account_id);
    END $$;
    CREATE OR REPLACE FUNCTION asker_people() RETURNS SETOF text ROWS 100
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$ BEGIN
        RETURN QUERY SELECT profile_id FROM people_around(asker('profile'));
    END $$;
    CREATE OR REPLACE FUNCTION asker_surroundings() RETURNS SETOF text ROWS 100
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$ BEGIN
        RETURN QUERY SELECT id FROM surroundings(asker('profile')) WHERE id IS NOT NULL;
    END $$;
    CREATE OR REPLACE FUNCTION asker_products() RETURNS SETOF text ROWS 1
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$ BEGIN
        RETURN QUERY SELECT product_id FROM accessed_products(asker('profile'));
    END $$;"""


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
                account_id text PRIMARY KEY, company_id text NOT NULL, agreement_id text, open boolean NOT NULL);
            CREATE INDEX IF NOT EXISTS reach_accounts_company ON reach_accounts (company_id);
            CREATE INDEX IF NOT EXISTS reach_accounts_agreement ON reach_accounts (agreement_id);
            CREATE OR REPLACE FUNCTION administered_accounts(who text) RETURNS TABLE (account_id text)
            LANGUAGE sql STABLE AS $$
                SELECT g.target_id FROM reach_grants g
                WHERE g.profile_id = who AND g.kind = 'account-administrator'
                UNION
                SELECT a.account_id FROM reach_grants g JOIN reach_accounts a ON a.agreement_id = g.target_id
                WHERE g.profile_id = who AND g.kind = 'main-administrator'
            $$;
            CREATE OR REPLACE FUNCTION people_around(who text) RETURNS TABLE (profile_id text)
            LANGUAGE sql STABLE AS $$
                SELECT g.profile_id FROM administered_accounts(who) JOIN reach_grants g USING (account_id)
                UNION
                SELECT g.profile_id FROM administered_accounts(who) JOIN reach_accounts a USING (account_id)
                JOIN reach_grants g ON g.kind = 'main-administrator' AND g.target_id = a.agreement_id
            $$;
            CREATE OR REPLACE FUNCTION reach_account_must_be_open(account text) RETURNS void LANGUAGE plpgsql AS $$
            BEGIN
                IF EXISTS (SELECT 1 FROM reach_accounts WHERE account_id = account AND NOT open) THEN
                    RAISE check_violation USING CONSTRAINT = 'account_has_ended', MESSAGE = 'the account has ended';
                END IF;
            END $$;""",
        "reach_agreements": """
            CREATE TABLE IF NOT EXISTS reach_agreements (
                agreement_id text PRIMARY KEY, company_id text NOT NULL, open boolean NOT NULL);
            CREATE OR REPLACE FUNCTION reach_agreement_must_be_open(agreement text) RETURNS void LANGUAGE plpgsql AS $$
            BEGIN
                IF EXISTS (SELECT 1 FROM reach_agreements WHERE agreement_id = agreement AND NOT open) THEN
                    RAISE check_violation USING CONSTRAINT = 'agreement_has_ended', MESSAGE = 'the agreement has ended';
                END IF;
            END $$;""",
        "reach_products": """
            CREATE TABLE IF NOT EXISTS reach_products (
                product_id text PRIMARY KEY, account_id text NOT NULL, company_id text NOT NULL, open boolean NOT NULL);
            CREATE INDEX IF NOT EXISTS reach_products_account ON reach_products (account_id, product_id);
            CREATE OR REPLACE FUNCTION accessed_products(who text) RETURNS TABLE (product_id text)
            LANGUAGE sql STABLE AS $$
                SELECT p.product_id FROM reach_grants g
                JOIN reach_products p ON p.product_id = g.target_id AND p.open
                WHERE g.profile_id = who AND g.kind = 'product-access'
            $$;
            CREATE OR REPLACE FUNCTION surroundings(who text) RETURNS TABLE (id text)
            LANGUAGE sql STABLE AS $$
                SELECT account_id FROM administered_accounts(who)
                UNION SELECT product_id FROM administered_accounts(who) JOIN reach_products USING (account_id)
                UNION SELECT unnest(ARRAY[agreement_id, company_id])
                      FROM administered_accounts(who) JOIN reach_accounts USING (account_id)
                UNION SELECT profile_id FROM people_around(who)
            $$;""",
        "reach_staff": "CREATE TABLE IF NOT EXISTS reach_staff (staff_id text PRIMARY KEY)",
        "reach_of_the_asker": _OF_THE_ASKER,
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {
        GRANT_WITHDRAWN: GrantWithdrawn,
        "account_has_ended": AccountHasEnded,
        "agreement_has_ended": AgreementHasEnded,
    }
    rows_for_reader: ClassVar[Mapping[str, LiteralString]] = {
        "reach_grants": GRANT_IN_REACH,
        "reach_accounts": f"{ASKER_IS_STAFF} OR account_id IN (SELECT asker_accounts())",
        # A closed one, too, is known to be closed to whoever held access to it.
        "reach_products": f"""{ASKER_IS_STAFF} OR account_id IN (SELECT asker_accounts())
            OR product_id IN (SELECT g.target_id FROM reach_grants g WHERE g.profile_id = (SELECT asker('profile')))""",
    }

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
            case AccountOpened() | FrameworkAgreementOpened() | AccountEnded() | FrameworkAgreementEnded() as said:
                return _accounts(said)
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


def account_must_be_open(account_id: str) -> Statement:
    """A guard: the account has not ended at the commit, or the command is refused (AccountHasEnded)."""
    return Statement("SELECT reach_account_must_be_open(%s)", (account_id,))


def agreement_must_be_open(agreement_id: str) -> Statement:
    """A guard: the framework agreement has not ended at the commit, or the command is refused (AgreementHasEnded)."""
    return Statement("SELECT reach_agreement_must_be_open(%s)", (agreement_id,))


def _granted(recorded: Recorded, kind: str, target: str, account: str | None, company: str) -> Statement:
    # A grant that arrives after the end of what it is on reaches nothing any more.
    return Statement(
        "INSERT INTO reach_grants SELECT %(profile)s, %(kind)s, %(target)s, %(account)s, %(company)s, %(version)s "
        "WHERE NOT EXISTS (SELECT 1 FROM reach_accounts WHERE account_id = %(account)s AND NOT open) "
        "AND NOT EXISTS (SELECT 1 FROM reach_agreements WHERE agreement_id = %(target)s AND NOT open) "
        "ON CONFLICT DO NOTHING",
        {
            "profile": recorded.stream,
            "kind": kind,
            "target": target,
            "account": account,
            "company": company,
            "version": recorded.version,
        },
    )


def _revoked(recorded: Recorded, kind: str, target: str) -> Statement:
    return Statement(
        "DELETE FROM reach_grants WHERE profile_id = %s AND kind = %s AND target_id = %s",
        (recorded.stream, kind, target),
    )


def _accounts(
    event: AccountOpened | FrameworkAgreementOpened | AccountEnded | FrameworkAgreementEnded,
) -> Iterable[Statement]:
    match event:
        case AccountOpened(account_id=account, company_id=company, agreement_id=agreement):
            sql: LiteralString = "INSERT INTO reach_accounts VALUES (%s, %s, %s, true) ON CONFLICT DO NOTHING"
            yield Statement(sql, (account, company, agreement))
        case FrameworkAgreementOpened(agreement_id=agreement, company_id=company, framework_account_id=framework):
            members = [framework, *event.sub_account_ids]
            sql = "INSERT INTO reach_agreements VALUES (%s, %s, true) ON CONFLICT DO NOTHING"
            yield Statement(sql, (agreement, company))
            sql = "UPDATE reach_accounts SET agreement_id = %s WHERE account_id = ANY(%s)"
            yield Statement(sql, (agreement, members))
        case AccountEnded(account_id=account):
            yield Statement("UPDATE reach_accounts SET open = false WHERE account_id = %s", (account,))
            yield Statement("DELETE FROM reach_grants WHERE account_id = %s", (account,))
        case FrameworkAgreementEnded(agreement_id=agreement):
            # An account that ended earlier was still the agreement's to look at; now it is nobody's.
            yield Statement("UPDATE reach_agreements SET open = false WHERE agreement_id = %s", (agreement,))
            yield Statement("UPDATE reach_accounts SET agreement_id = NULL WHERE agreement_id = %s", (agreement,))
            yield Statement("DELETE FROM reach_grants WHERE target_id = %s", (agreement,))
        case _:
            assert_never(event)
