"""What PostgreSQL calls an error: five characters, the SQLSTATE."""

NO_LOCK_IN_TIME = "55P03"


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of an error of the driver, or of what wraps it; empty without one."""
    cause = getattr(error, "orig", None) or error
    return str(getattr(cause, "sqlstate", None) or "")
