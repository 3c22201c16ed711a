"""Has one vendor's client sign in at a peer and run its first statement: `python run.py CLIENT`, with what it is given
as JSON on stdin. Prints what came of it as JSON: an answer, or the class and message of the error that refused it."""

import importlib
import json
import logging
import socket
import sys

HTTPS = 443

logging.disable(logging.CRITICAL)
given = json.load(sys.stdin)
look_up = socket.getaddrinfo


def lead_to_the_peer(host, port, *more, **named):
    """Every name is this machine, where the peer has HTTPS: clients make names of their own from an account."""
    del host
    return look_up("127.0.0.1", given["port"] if port in (HTTPS, "https", None) else port, *more, **named)


socket.getaddrinfo = lead_to_the_peer
client = importlib.import_module(sys.argv[1])
try:
    told = {"answer": client.first(given)}
except client.REFUSED as error:
    told = {"refused": type(error).__name__, "message": str(error)}
print(json.dumps(told, default=str))
