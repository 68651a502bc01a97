"""Logs: one JSON object a line, with the correlation id of the request or event that is being worked on.

Only what a call names is logged; no request bodies, no addresses, no codes.
"""

import logging
import sys
from typing import Any

import structlog

log: Any = structlog.get_logger()


def configure_logs(service: str, *, json: bool) -> None:
    """Set up the process's logs, those of libraries too: JSON lines for machines, or readable lines on a terminal."""
    renderer: Any = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    lines = logging.StreamHandler(sys.stderr)
    without_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[without_meta, renderer])
    )
    logging.basicConfig(level=logging.WARNING, handlers=[lines], force=True)
    # While a broker is being replaced it repeats many times a second what our own relay and inbox say once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
