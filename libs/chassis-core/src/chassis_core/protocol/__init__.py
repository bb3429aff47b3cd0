"""HTTP/1.1 at the edge, read strictly (RFC 9112): what may be misread is refused and closed."""

from chassis_core.protocol.config import StrictConfig
from chassis_core.protocol.strict import StrictProtocol

__all__ = ["StrictConfig", "StrictProtocol"]
