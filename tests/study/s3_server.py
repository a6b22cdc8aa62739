"""A real S3 server on loopback, with a bucket, and the environment by which clients find it."""

import logging
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count

from moto.server import ThreadedMotoServer

NUMBERS = count()


@contextmanager
def served() -> Iterator[dict[str, str]]:
    """What a client's environment says of the server."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield environment_of(*server.get_host_and_port())
    finally:
        server.stop()


class Switched:
    """A server of its own that can be switched off, and on again with all that it had."""

    def __init__(self) -> None:
        self.host, self.port = "127.0.0.1", 0
        self.on()
        self.host, self.port = self._server.get_host_and_port()
        self.environment = environment_of(self.host, self.port)

    def on(self) -> None:
        """Serve."""
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address=self.host, port=self.port, verbose=False)
        self._server.start()

    def off(self) -> None:
        """Refuse every connection."""
        self._server.stop()


def environment_of(host: str, port: int) -> dict[str, str]:
    """How clients find a server, and what they say who they are."""
    return {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_REGION": "us-east-1",
    }


def new_bucket(environment: Mapping[str, str]) -> str:
    """The URL of a place in an empty bucket."""
    name = f"bucket{next(NUMBERS)}"
    request = urllib.request.Request(f"{environment['AWS_ENDPOINT_URL']}/{name}", method="PUT")
    with urllib.request.urlopen(request):
        return f"s3://{name}/results"
