"""Loopback ports: finding a free one, and saying clearly when one is taken."""

import random
import socket

LOOPBACK = "127.0.0.1"


class PortInUse(Exception):
    """A part cannot start because something else listens on its port."""

    def __init__(self, part: str, port: int) -> None:
        self.part, self.port = part, port
        variable = f"PORT_{part.upper().replace('-', '_')}"
        super().__init__(
            f"Port {port}, which {part} wants on {LOOPBACK}, is in use by another program. "
            f"Stop that program, or choose another port for {part}: {variable}={port + 1000}"
        )


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A free loopback port outside the range from which outgoing connections take theirs; never the same one twice.

    A part keeps its port over restarts; a port of the system's ephemeral range could be taken by any client meanwhile.
    """
    for port in random.sample(range(20_000, 32_000), 200):
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise RuntimeError("no free loopback port was found between 20000 and 32000")


_given: set[int] = set()


def answers(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0
