"""Views can be built anew from the log; what auth keeps beside the log cannot, and is left alone."""

from dataclasses import replace

from deploy.cli.views import sources_of
from shared.rebuild import difference, rebuild
from tests.auth.conftest import ANNA, SUSANNE, World
from tests.auth.people import with_app

KEPT = {
    *("codes", "failed_tries", "guesses", "known_devices", "authenticator_apps", "offered_apps", "recovery_codes"),
    *("session_secrets", "mails", "signing_key_ring"),
}


async def test_a_rebuild_equals_the_live_views_and_touches_no_secret(world: World) -> None:
    anna = await with_app(world)
    session, login = await world.logged_in(ANNA), await world.ask(SUSANNE)
    # Only the own log is read here: what auth copies of others stays out of it.
    everything = sources_of(world.auth.backbone)
    own = replace(everything, copies=(), foreign=None)
    assert not KEPT & {table for view in (*own.views, *everything.copies) for table in view.tables}
    assert [line for line in await difference(own) if not line.startswith("people:")] == []
    for view in own.views:
        if "people" not in view.tables:
            await rebuild(own, view)
    assert (await world.exchange(session["session"])).status_code == 200
    assert (await world.give(login.challenge, login.code)).status_code == 201
    assert (await anna.app_login()).status_code == 201
