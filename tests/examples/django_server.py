"""Serves a Django project on a socket that a test has opened, and whose descriptor it is given."""

import socket
import sys
from importlib import import_module

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler


class _Server(ThreadedWSGIServer):
    """Django's own server, on a socket that is listening already."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Take the socket instead of binding one."""
        self.socket.close()
        self.socket = socket.socket(fileno=int(sys.argv[1]))
        host, port = self.socket.getsockname()
        self.server_address = (host, port)
        self.server_name, self.server_port = "localhost", port
        self.setup_environ()


if __name__ == "__main__":
    sys.path.insert(0, ".")  # the folder of the project
    server = _Server(("localhost", 0), WSGIRequestHandler)
    server.set_app(import_module("wsgi").application)
    server.serve_forever()
