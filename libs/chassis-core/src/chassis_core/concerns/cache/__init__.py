"""Values computed once and shared: single flight, stale-while-revalidate, invalidation."""

from chassis_core.concerns.cache.concern import Cache, cache, get_cache
from chassis_core.concerns.cache.settings import CacheSettings
from chassis_core.concerns.cache.shared import RedisStore
from chassis_core.concerns.cache.store import CacheStore, MemoryStore

__all__ = [
    "Cache",
    "CacheSettings",
    "CacheStore",
    "MemoryStore",
    "RedisStore",
    "cache",
    "get_cache",
]
