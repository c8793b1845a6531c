"""SIGTERM ends the web process after what it is answering, not in the middle of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import requests

SERVER = """
import sys, time
import waitress
from donkies.embedded import _interrupt
import signal
signal.signal(signal.SIGTERM, _interrupt)
def app(environ, start):
    time.sleep(1)
    start("200 OK", [("Content-Length", "4")])
    return [b"done"]
server = waitress.create_server(app, listen="127.0.0.1:0", threads=4)
print(server.effective_port, flush=True)
try:
    server.run()
except KeyboardInterrupt:
    pass
server.close()
"""


def test_a_request_in_flight_is_answered():
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline())
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(requests.get, f"http://127.0.0.1:{port}/", timeout=10)
            time.sleep(0.4)
            process.send_signal(signal.SIGTERM)
            assert "done" == answer.result(10).text
        assert 0 == process.wait(10)
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
