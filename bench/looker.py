"""`python -m bench.looker`: a worker's looker in a process of its own, until SIGTERM; `bench.many` starts it."""

from __future__ import annotations

import cProfile
import os
import signal
import sys

import svcs

from donkies.config import bind, parse_settings
from donkies.config.logs import configure_logs
from donkies.tasks.linked_accounts import Looker


def main() -> None:
    settings = parse_settings({})
    configure_logs(settings)
    registry = bind(settings)
    with svcs.Container(registry) as container:
        looker = container.get(Looker)
        while True:
            looker.run(container)


def _end(*_: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    path = os.environ.get("BENCH_PROFILE")
    profile = cProfile.Profile()
    try:
        profile.runcall(main) if path else main()
    except SystemExit:
        if path:
            profile.dump_stats(path)
        sys.stdout.flush()
        os._exit(0)  # the pool's threads may still be reading
