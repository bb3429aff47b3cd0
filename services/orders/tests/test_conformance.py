"""What the chassis promises of every service, asked of orders."""

SERVICE = "orders"


async def test_the_service_keeps_its_promise(promise):
    await promise()
