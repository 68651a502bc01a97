"""`python -m deploy.cli`"""

from deploy.cli import app

app()
