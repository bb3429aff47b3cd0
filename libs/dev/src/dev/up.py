"""`./dev up`: the platform until Ctrl-C."""

import os
import time
from argparse import ArgumentParser
from collections.abc import Sequence

from dev.console import BOLD, DIM, paint, say
from dev.lifetime import opened
from dev.platform import Platform
from dev.ports import SERVICES
from dev.state import State

_SESSION = """\
curl -sw "\\n" {users}/v1/users -H 'content-type: application/json' \\
  -d '{{"email": "ada@example.com", "password": "correct horse battery", "name": "Ada"}}'
TOKEN=$(curl -s {users}/oauth2/token -d grant_type=password \\
  -d username=ada@example.com -d 'password=correct horse battery' |
  sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
curl -sw "\\n" {orders}/v1/orders -H "authorization: Bearer $TOKEN" \\
  -H 'content-type: application/json' -H "idempotency-key: order-$(date +%s)" \\
  -d '{{"currency": "EUR", "items": [{{"sku": "tea", "quantity": 2, "unit_price_minor": 450}}]}}'
curl -sw "\\n" {orders}/v1/orders -H "authorization: Bearer $TOKEN"
"""


def main(arguments: Sequence[str]) -> int:
    """Start the platform, print how to use it, stop it when told to."""
    parser = ArgumentParser("./dev up")
    parser.add_argument("--reset", action="store_true", help="forget data, logs and secrets first")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        with opened(State(), lambda step: say(f"{step} …", DIM), reset=options.reset) as platform:
            _greet(platform, time.monotonic() - began)
            while True:
                time.sleep(0.2)
                platform.check()
    except KeyboardInterrupt:
        say("stopped", DIM)
    return 0


def _greet(platform: Platform, seconds: float) -> None:
    say(f"\n{paint('ready', BOLD)} in {seconds:.1f} s")
    width = max(len(service) for service in SERVICES)
    for service in SERVICES:
        public, admin = platform.url(service), platform.admin_url(service)
        log = os.path.relpath(platform.state.log(service))
        say(f"  {service:{width}}  {public}/docs   admin {admin}/readyz   log {log}")
    say("\nTry it from another terminal, or watch it all happen with ./dev demo:\n")
    say(session(platform))
    say("Ctrl-C stops all.", DIM)


def session(platform: Platform) -> str:
    """Return shell lines that register a user, log in, place an order and list it."""
    return _SESSION.format(users=platform.url("users"), orders=platform.url("orders"))
