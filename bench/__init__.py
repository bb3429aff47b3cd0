"""What the chassis costs against bare FastAPI, and the scripts behind docs/reliability.md.

They run as `./dev run python -m bench.restarts`. HAProxy, wrk, PostgreSQL and Redis must be on PATH
for those that use them.
"""
