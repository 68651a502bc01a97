"""`selfservice`: the command line of operators and developers.

Every command finds the system by itself: in a container by its environment (`DATABASE_URL`, or `DATABASE_URL_AUTH` and
so on where there are several), on this machine by what the supervisor keeps in `var/run.json`. Exit codes: 0 done,
1 not possible (the message says why), 2 asked in the wrong way.
"""

import typer

from deploy.cli import audit, contracts, dead_letters, events, journeys, keys, samples, schema, staff, system, views

app = typer.Typer(name="selfservice", help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None)
app.add_typer(system.app)
app.add_typer(contracts.app)
app.add_typer(schema.app)
app.add_typer(staff.app, name="staff")
app.add_typer(keys.app, name="keys")
app.add_typer(events.app, name="events")
app.add_typer(views.app, name="views")
app.add_typer(dead_letters.app, name="deadletters")
app.add_typer(journeys.app, name="journeys")
app.add_typer(samples.app, name="sample")
app.add_typer(audit.app, name="audit")
