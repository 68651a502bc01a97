"""`python -m deploy.container MODULE …`: run a module in a container, where secrets are files.

Every setting is read from the environment. Whoever runs containers gives secrets as files instead, so that they stand
in no description of a container: a file `database_url` in SECRETS_DIR (`/run/secrets`) becomes DATABASE_URL here.
"""

import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path


def secrets_in(folder: Path) -> Mapping[str, str]:
    """The secrets of a folder by the name of their setting; none when there is no such folder."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return {file.name.upper(): file.read_text().strip() for file in files if file.is_file()}


def main() -> None:
    """Take the secrets in and run the module that the command line names, as `python -m` would."""
    for name, secret in secrets_in(Path(os.environ.get("SECRETS_DIR", "/run/secrets"))).items():
        os.environ.setdefault(name, secret)
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
