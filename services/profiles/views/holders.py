"""Who still holds something at this place: a product, an account with its products, an agreement? (P4, C7)"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, LiteralString

from shared.database import Database, Row
from shared.envelope import Recorded
from shared.errors import Refusal, Unavailable
from shared.eventstore.statement import Statement


class GrantedMeanwhile(Unavailable):
    """Something was granted there while everything was ended; ask again."""

    code = "granted-meanwhile"


class Holders:
    """A check over what `reach` keeps; it has no table of its own."""

    tables: ClassVar[Mapping[str, LiteralString]] = {
        "nobody_holds_anything_at": """
            CREATE OR REPLACE FUNCTION nobody_holds_anything_at(place text) RETURNS void LANGUAGE plpgsql AS $$
            BEGIN
                IF EXISTS (SELECT 1 FROM reach_grants WHERE target_id = place OR account_id = place) THEN
                    RAISE check_violation USING CONSTRAINT = 'somebody_holds_something', MESSAGE = 'granted meanwhile';
                END IF;
            END $$;"""
    }
    refusals: ClassVar[Mapping[str, type[Refusal]]] = {"somebody_holds_something": GrantedMeanwhile}

    def changes(self, _recorded: Recorded) -> Iterable[Statement]:
        return ()


def nobody_is_left(place: str) -> Statement:
    """What must hold once all grants at a place have ended: none was made in between."""
    return Statement("SELECT nobody_holds_anything_at(%s)", (place,))


async def holders_at(database: Database, place: str, *, most: int) -> list[Row]:
    """Some profiles with what each holds at the place, as `kind` and `id`. Raises Unavailable."""
    return await database.rows(
        "SELECT profile_id, jsonb_agg(jsonb_build_object('kind', kind, 'id', target_id) ORDER BY target_id) AS grants "
        "FROM reach_grants WHERE target_id = %(place)s OR account_id = %(place)s "
        "GROUP BY profile_id ORDER BY profile_id LIMIT %(most)s",
        {"place": place, "most": most},
    )
