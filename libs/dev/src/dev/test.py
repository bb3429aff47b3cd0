"""`./dev test`: every test that this machine can run, and the names of those it cannot."""

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

PROCESSES = str(min(os.cpu_count() or 1, 4))


class LeftOut:
    """Says at the end which tests were left out, and why."""

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Count the skipped tests by reason."""
        reports = terminalreporter.stats.get("skipped", [])
        reasons = Counter(_reason(report.longrepr) for report in reports)
        terminalreporter.section("left out on this machine", sep="-")
        for reason, count in reasons.most_common():
            terminalreporter.write_line(f"{count:5}  {reason}")
        if not reasons:
            terminalreporter.write_line("nothing: this machine runs every test")


def _reason(longrepr: Any) -> str:
    text = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return str(text).removeprefix("Skipped: ")


def main(arguments: Sequence[str]) -> int:
    """Run the tests, and return the exit code.

    Without arguments there are two runs: everything on `PROCESSES` processes, and then, one by
    one, what measures or breaks running services and needs the machine alone. With arguments
    there is one run, and they go to pytest.
    """
    if arguments:
        return _pytest(*arguments)
    codes = {_pytest("-m", "not alone"), _pytest("-m", "alone", "-n", "0")}
    if len(codes) > 1:
        codes.discard(pytest.ExitCode.NO_TESTS_COLLECTED)  # of one run only
    return max(codes)


def _pytest(*arguments: str) -> int:
    spread = ["-n", PROCESSES, "--dist", "loadfile"]
    return int(pytest.main([*spread, *arguments], plugins=[LeftOut()]))
