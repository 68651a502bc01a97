"""By what does this person log in?"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from services.auth.domain.challenge import CodeNotLive
from services.auth.events import (
    AuthenticatorAppEnrolled,
    AuthenticatorAppRemoved,
    LoginMethod,
    LoginMethodChosen,
    Reinvited,
)
from shared.database import Database, Row
from shared.envelope import Recorded
from shared.errors import Refusal
from shared.eventstore.statement import Statement


class LoginMethods:
    """One row a person who has an authenticator app; everybody else logs in with mailed codes."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "login_methods": """
            CREATE TABLE IF NOT EXISTS login_methods (
                subject text PRIMARY KEY, method text NOT NULL, app_enrolled_at timestamptz NOT NULL);
            CREATE OR REPLACE FUNCTION login_method_is(whose text, method_found text) RETURNS void
            LANGUAGE plpgsql AS $$
            BEGIN
                IF coalesce((SELECT method FROM login_methods WHERE subject = whose), 'mailed-code') <> method_found
                THEN
                    RAISE check_violation USING CONSTRAINT = 'login_method_changed', MESSAGE = 'chosen meanwhile';
                END IF;
            END $$;"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"login_method_changed": CodeNotLive}

    def changes(self, recorded: Recorded) -> Iterable[Statement]:
        match recorded.data:
            case AuthenticatorAppEnrolled(subject=subject):
                yield Statement(
                    "INSERT INTO login_methods (subject, method, app_enrolled_at) VALUES (%s, 'either', %s)",
                    (subject, recorded.time),
                )
            case LoginMethodChosen(subject=subject, method=method):
                yield Statement("UPDATE login_methods SET method = %s WHERE subject = %s", (method, subject))
            case AuthenticatorAppRemoved(subject=subject) | Reinvited(subject=subject):
                yield Statement("DELETE FROM login_methods WHERE subject = %s", (subject,))
            case _:
                pass


async def method_of(database: Database, subject: str) -> LoginMethod:
    """What somebody wants to be asked for. Raises Unavailable."""
    row = await of_subject(database, subject)
    return row["method"] if row else "mailed-code"


async def of_subject(database: Database, subject: str) -> Row | None:
    """`method` and `app_enrolled_at` of somebody with an app, else None. Raises Unavailable."""
    return await database.row("SELECT method, app_enrolled_at FROM login_methods WHERE subject = %s", (subject,))


def must_still_be(subject: str, method: LoginMethod) -> Statement:
    """What must still hold when somebody is let in: refuses with CodeNotLive."""
    return Statement("SELECT login_method_is(%s, %s)", (subject, method))
