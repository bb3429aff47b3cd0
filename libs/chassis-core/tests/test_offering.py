"""What is offered to apps that are made without arguments."""

from chassis_core import ServiceSettings, create_app
from chassis_core.app import offering
from chassis_core.testing import Telemetry, running
from prometheus_client import CollectorRegistry

GAUGE = "load_draining"


def make(**shared):
    return create_app(ServiceSettings(name="offered"), **shared)


async def test_an_app_that_is_made_inside_emits_to_what_is_offered(telemetry: Telemetry):
    with offering(**telemetry.shared()):
        app = make()
    async with running(app) as http:
        await http.get("/nowhere")
    assert len(telemetry.access_lines()) == len(telemetry.spans) == 1
    assert telemetry.sample(GAUGE) == 0


def test_what_an_app_brings_itself_wins(telemetry: Telemetry):
    own = CollectorRegistry()
    with offering(**telemetry.shared()):
        make(registry=own)
    assert own.get_sample_value(GAUGE) == 0
    assert telemetry.sample(GAUGE) is None


def test_nothing_is_offered_once_the_block_has_ended(telemetry: Telemetry):
    with offering(**telemetry.shared()):
        pass
    make()
    assert telemetry.sample(GAUGE) is None
