"""What is wrong with Redis, for `chassis doctor`."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError

from chassis_core.concern import Fault
from chassis_core.concerns.redis.driver import connect
from chassis_core.concerns.redis.settings import RedisSettings
from chassis_core.reach import silence

URL_SETTING = "<SERVICE>_REDIS__URL"
TRIES = 5
"""Commands of which the fastest counts: one may be slow by chance."""


async def diagnose(settings: RedisSettings, within: float) -> Sequence[Fault]:
    """Return what is wrong with Redis, after `within` seconds of waiting for it at most."""
    if (client := connect(settings)) is None:
        return []
    where = client.connection_pool.connection_kwargs
    place = str(where.get("path") or f"{where.get('host')}:{where.get('port')}")
    try:
        async with asyncio.timeout(within):
            return await _asked(client, settings, f"Redis at {place}")
    except AuthenticationError:
        what = f"Redis at {place} refuses the password, or asks for one"
        return [Fault(what, f"set the password in {URL_SETTING}")]
    except BusyLoadingError:
        return [Fault(f"Redis at {place} is loading its data", "wait; then see its log")]
    except ResponseError as error:
        fix = f"grant the user of {URL_SETTING} its commands"
        return [Fault(f"Redis at {place} refuses: {type(error).__name__}", fix)]
    except (TimeoutError, RedisError, OSError) as error:
        why = f"{place}: {type(error).__name__}"
        if "host" in where:
            why = await silence(where["host"], int(where["port"]), within)
        fix = f"start it or see its log, or correct {URL_SETTING}"
        return [Fault(f"Redis: {why}", fix)]
    finally:
        await client.connection_pool.disconnect(inuse_connections=True)


async def _asked(client: Any, settings: RedisSettings, place: str) -> Sequence[Fault]:
    await client.execute_command("PING")
    times = []
    for _ in range(TRIES):
        start = time.monotonic()
        await client.execute_command("PING")
        times.append(time.monotonic() - start)
    if (fastest := min(times)) > settings.timeout:
        what = f"{place} takes {fastest:.2f} s, and is left alone beyond {settings.timeout:g}"
        return [Fault(what, "see what slows it, or raise <SERVICE>_REDIS__TIMEOUT")]
    with suppress(ResponseError):  # not everyone may ask
        role = await client.execute_command("ROLE")
        if role[0] in {b"slave", "slave"}:
            what = f"{place} is a replica and takes no writes"
            return [Fault(what, f"point {URL_SETTING} at the primary")]
    return []
