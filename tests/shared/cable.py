"""A cable between a client and a server that a test can cut: bytes go through until it is told otherwise."""

import select
import socket
import threading
from contextlib import suppress


class Cable:
    """Listens on a loopback port of its own and passes everything on to `port`."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.deaf = threading.Event()
        """While set, what the server answers is lost."""
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Take the client's side away; the server is not told, as when a network breaks."""
        self.deaf.clear()
        for client, _ in self._pairs:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        for pair in self._pairs:
            for end in pair:
                end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                pair = (client, socket.create_connection(("127.0.0.1", self._to)))
                self._pairs.append(pair)
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError, ValueError):
            while True:
                for end in select.select([client, server], [], [])[0]:
                    data = end.recv(65536)
                    if end is client:
                        if not data:
                            return  # and the server's side stays open: it does not know
                        server.sendall(data)
                    elif not data:
                        client.shutdown(socket.SHUT_RDWR)
                        return
                    elif not self.deaf.is_set():
                        client.sendall(data)
