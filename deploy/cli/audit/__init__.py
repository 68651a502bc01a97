"""`selfservice audit`: the history, for analysts and for whoever does not take our word."""

import typer

from deploy.cli.audit import proof

app = typer.Typer(help="The history and its proof.", no_args_is_help=True)
app.add_typer(proof.app)
