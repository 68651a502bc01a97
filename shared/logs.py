"""Logs: one JSON object a line, with the correlation id of the request or event that is being worked on.

Only what a call names is logged; no request bodies, no addresses, no codes.
"""

import logging
import sys
from typing import Any

import structlog

log: Any = structlog.get_logger()


def configure_logs(service: str, *, json: bool) -> None:
    """Set up the process's logs: JSON lines for machines, or readable lines on a terminal."""
    renderer: Any = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
