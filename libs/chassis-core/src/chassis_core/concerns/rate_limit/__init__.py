"""Rate limits: a default for every client address, and policies of routes."""

from chassis_core.concerns.rate_limit.concern import RateLimit, rate_limit
from chassis_core.concerns.rate_limit.limiter import Limiter, RateLimitSettings
from chassis_core.concerns.rate_limit.memory import MemoryLimiter
from chassis_core.concerns.rate_limit.middleware import RateLimitMiddleware
from chassis_core.concerns.rate_limit.policy import Decision, Policy
from chassis_core.concerns.rate_limit.shared import RedisLimiter

__all__ = [
    "Decision",
    "Limiter",
    "MemoryLimiter",
    "Policy",
    "RateLimit",
    "RateLimitMiddleware",
    "RateLimitSettings",
    "RedisLimiter",
    "rate_limit",
]
