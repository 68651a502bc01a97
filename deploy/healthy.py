"""`python -m deploy.healthy`: whether the service in this container may be asked; exit code 1 when not."""

import http.client
import os
import sys


def is_ready(port: int) -> bool:
    """Whether the service on this port of this machine says that it is ready; waits two seconds at most."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_ready(int(os.environ["PORT"])) else 1)
