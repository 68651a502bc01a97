"""`selfservice audit`: the history, for analysts and for whoever does not take our word."""

import typer

from deploy.cli.audit import export, past, policy_replay, proof, replay, sql

app = typer.Typer(help="The history: questions, exports, replays, and its proof.", no_args_is_help=True)
app.add_typer(past.app)
app.add_typer(policy_replay.app)
app.add_typer(export.app)
app.add_typer(replay.app)
app.add_typer(sql.app)
app.add_typer(proof.app)
