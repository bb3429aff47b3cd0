"""The rules that the source of every service keeps."""

from chassis_core.contract.rules.answers import ERRORS_ARE_PROBLEMS
from chassis_core.contract.rules.boundaries import NO_PATCHING, PUBLIC_NAMES, SERVICES_APART
from chassis_core.contract.rules.calls import SERVICE_CLIENT, TOKENS_ARE_VERIFIED
from chassis_core.contract.rules.checks import CHECKS_STAY_ON
from chassis_core.contract.rules.composition import (
    NO_ADDED_MIDDLEWARE,
    ONE_APP,
    STANDARD_CONCERNS,
)
from chassis_core.contract.rules.data import (
    NO_SQL_FROM_STRINGS,
    ONE_ENGINE,
    UNIT_OF_WORK,
)
from chassis_core.contract.rules.deploy import (
    IMAGES_ARE_PINNED,
    PODS_STAY_HARDENED,
    PODS_STAY_WATCHED,
    PRODUCTION_HOLDS_NO_SECRETS,
)
from chassis_core.contract.rules.flow import (
    NO_BLOCKING,
    NO_CODE_FROM_DATA,
    NO_LOST_TASKS,
    NO_SWALLOWED_ERRORS,
)
from chassis_core.contract.rules.guards import GUARDS_STAY_ON
from chassis_core.contract.rules.late import COMMIT_BEFORE_THE_ANSWER
from chassis_core.contract.rules.migrations import MIGRATIONS_EXPAND_FIRST, ONE_LINE_OF_MIGRATIONS
from chassis_core.contract.rules.models import MOMENTS_HAVE_ZONES, MONEY_IS_WHOLE, STRICT_REQUESTS
from chassis_core.contract.rules.project import (
    LISTED,
    ONE_IMAGE,
    READABLE,
    SERVICE_PROJECT,
)
from chassis_core.contract.rules.reads import READS_CHANGE_NOTHING
from chassis_core.contract.rules.routes import GUARDED_ROUTES
from chassis_core.contract.rules.secrets import SECRETS_STAY_SECRET
from chassis_core.contract.rules.settings import (
    NO_PROCESS_STATE,
    NOTHING_AT_IMPORT,
    SETTINGS_ONLY,
)
from chassis_core.contract.rules.telemetry import ONE_LOG, ONE_TELEMETRY
from chassis_core.contract.rules.workloads import PODS_COME_FROM_THE_BASE

RULES = (
    LISTED,
    READABLE,
    ONE_APP,
    STANDARD_CONCERNS,
    NO_ADDED_MIDDLEWARE,
    ERRORS_ARE_PROBLEMS,
    PUBLIC_NAMES,
    SERVICES_APART,
    NO_PATCHING,
    GUARDED_ROUTES,
    READS_CHANGE_NOTHING,
    TOKENS_ARE_VERIFIED,
    SERVICE_CLIENT,
    STRICT_REQUESTS,
    MONEY_IS_WHOLE,
    MOMENTS_HAVE_ZONES,
    UNIT_OF_WORK,
    COMMIT_BEFORE_THE_ANSWER,
    ONE_ENGINE,
    NO_SQL_FROM_STRINGS,
    ONE_LINE_OF_MIGRATIONS,
    MIGRATIONS_EXPAND_FIRST,
    SETTINGS_ONLY,
    NOTHING_AT_IMPORT,
    NO_PROCESS_STATE,
    GUARDS_STAY_ON,
    SECRETS_STAY_SECRET,
    ONE_LOG,
    ONE_TELEMETRY,
    NO_BLOCKING,
    NO_SWALLOWED_ERRORS,
    NO_LOST_TASKS,
    NO_CODE_FROM_DATA,
    PODS_COME_FROM_THE_BASE,
    PODS_STAY_HARDENED,
    PODS_STAY_WATCHED,
    IMAGES_ARE_PINNED,
    PRODUCTION_HOLDS_NO_SECRETS,
    SERVICE_PROJECT,
    CHECKS_STAY_ON,
    ONE_IMAGE,
)
"""Every rule, in the order in which a reader meets them."""

__all__ = ["RULES"]
