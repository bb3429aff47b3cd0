"""The platform of which every process is a container."""

from collections.abc import Mapping

from chassis_core.contract import prefix_of
from sqlalchemy.engine import make_url

from dev.collector import Collector
from dev.containers.contained import Contained
from dev.containers.stores import INSIDE, Stores, rendered
from dev.platform import Platform, Process
from dev.ports import port, setting
from dev.state import State


class ContainerPlatform(Platform):
    """The platform of which every process is a container, on an engine of this very machine.

    Args:
        state: the folder for data and logs.
        given: environment variables that win, as they look from this machine.
        stores: that run.
        built: the images of the services.
    """

    def __init__(
        self, state: State, given: Mapping[str, str], stores: Stores, built: Mapping[str, str]
    ) -> None:
        collector = Collector(stores.gateway)
        super().__init__(state, {**given, **stores.settings}, collector=collector)
        self.stores = stores
        self._built = built

    def inside(self, service: str) -> dict[str, str]:
        """Return the service's environment as it is inside the network."""
        prefix, users = prefix_of(service), f"http://users:{port({}, 'users')}"
        outside = {setting(service, admin=admin) for admin in (False, True)}
        seen = {
            name: value
            for name, value in self.environment.items()
            if name.startswith((prefix, "OTEL_")) and name not in outside
        }
        for name, store in (("DATABASE__URL", "postgres"), ("REDIS__URL", "redis")):
            moved = make_url(seen[prefix + name]).set(host=store, port=INSIDE[store])
            seen[prefix + name] = rendered(moved)
        seen[f"{prefix}CLIENT_ADDRESS__TRUSTED_PROXIES"] = self.stores.gateway
        if service != "users":
            seen[f"{prefix}AUTH__JWKS_URL"] = f"{users}/.well-known/jwks.json"
            seen[f"{prefix}AUTH__JWKS_ALLOW_HTTP"] = "true"
        if service == "orders":
            seen["ORDERS_CLIENTS__USERS__URL"] = users
        return seen

    def container(
        self, service: str, command: str, log: str, publish: Mapping[int, int]
    ) -> Contained:
        """Return a container of the service, not started, on the network of the platform."""
        made = Contained(self._built[service], command, self.state.log(log), publish)
        made.with_envs(**self.inside(service)).with_network(self.stores.network)
        return made

    def _run(self, service: str, command: str) -> Process:
        serves = command == "serve"
        outer = {
            port({}, service, admin=admin): port(self.environment, service, admin=admin)
            for admin in (False, True)
        }
        name = service if serves else f"{service}-{command}"
        made = self.container(service, command, name, outer if serves else {})
        if serves:
            made.with_network_aliases(service)
        return made.start()
