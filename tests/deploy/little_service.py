"""A service so small that tests can start many: answers its health, tells a shared diary when it starts and stops."""

import http.server
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/ready" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""


def tell(event: str) -> None:
    with Path(os.environ["DIARY"]).open("a") as diary:
        diary.write(f"{event} {os.environ['SERVICE_NAME']}\n")


def stop(_number: int, _frame: FrameType | None) -> None:
    if "stubborn" in sys.argv:
        return
    tell("stop")
    sys.exit(0)


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    if "broken" in sys.argv:
        raise SystemExit("the pepper is missing")
    if "slow" in sys.argv:
        time.sleep(0.5)
    tell("start")
    server = http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answers)
    sys.stdout.write(f"{os.environ['SERVICE_NAME']} is open: smørrebrød\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
