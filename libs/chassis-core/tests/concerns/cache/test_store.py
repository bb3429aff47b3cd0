from chassis_core.concerns.cache import CacheSettings, MemoryStore
from chassis_core.concerns.cache.store import CacheKey


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def keep(store: MemoryStore, key: str, body: bytes = b"x" * 10) -> None:
    at = CacheKey("n", "s", key)
    found = await store.read(at, key)
    await store.write(at, found, body, fresh=60, kept=60)


async def has(store: MemoryStore, key: str) -> bool:
    at = CacheKey("n", "s", key)
    found = await store.read(at, "reader")
    await store.release(at, found)
    return found.body is not None


async def test_the_least_recently_used_value_goes_first() -> None:
    store = MemoryStore(CacheSettings(max_entries=3))
    for key in ("a", "b", "c"):
        await keep(store, key)
    assert await has(store, "a")
    await keep(store, "d")
    assert [await has(store, key) for key in ("a", "b", "c", "d")] == [True, False, True, True]


async def test_the_bytes_are_bounded_whatever_the_number() -> None:
    store = MemoryStore(CacheSettings(max_bytes=1024))
    for i in range(200):
        await keep(store, f"key-{i}", b"x" * 90)
    assert store.bytes <= 1024
    assert len(store) == 11
    await keep(store, "huge", b"x" * 2000)
    assert (len(store), store.bytes) == (0, 0)


async def test_a_lease_that_was_lost_passes_on_and_its_late_value_is_dropped() -> None:
    clock = Clock()
    store = MemoryStore(CacheSettings(lease=10), clock=clock)
    at = CacheKey("n", "s", "k")
    first = await store.read(at, "one")
    assert (await store.read(at, "two")).holder == "one"
    clock.now = 11
    second = await store.read(at, "two")
    assert second.holder == "two"
    await store.write(at, first, b"late", fresh=60, kept=60)
    assert (await store.read(at, "three")).body is None
    await store.write(at, second, b"value", fresh=60, kept=60)
    assert (await store.read(at, "three")).body == b"value"


async def test_what_is_loaded_leaves_no_lease_behind() -> None:
    store = MemoryStore(CacheSettings())
    for i in range(100):
        await keep(store, str(i))
    assert store._leases == {}


async def test_a_lease_that_is_renewed_outlasts_its_time_and_one_that_was_lost_does_not() -> None:
    clock = Clock()
    store = MemoryStore(CacheSettings(lease=1), clock=clock)
    at = CacheKey("n", "s", "k")
    first = await store.read(at, "one")
    for _ in range(10):
        clock.now += 0.9
        await store.renew(at, first)
    assert (await store.read(at, "two")).holder == "one"
    clock.now += 1
    assert (await store.read(at, "two")).holder == "two"
    await store.renew(at, first)
    assert (await store.read(at, "three")).holder == "two"
