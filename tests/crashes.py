"""Random commands with crashes: how such games are played, and what a crash of the database is."""

from contextlib import suppress

from hypothesis import HealthCheck, Phase, settings

from shared.backbone import Backbone
from shared.errors import Unavailable


def games(most: int) -> settings:
    """So many games; a race is not shrunk, for that takes for ever: its notes tell what was done."""
    return settings(
        max_examples=most,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


async def lose_every_connection(backbone: Backbone) -> None:
    """As a crash of the database's host does: everybody's session of this database ends amid whatever it does."""
    with suppress(Unavailable):  # the session that asks may be ended by another crash
        await backbone.database.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND usename IS NOT NULL AND pid <> pg_backend_pid()"
        )
