"""What all tests share: `--require MARKER`, the data folder, and no network by accident."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Hubs are asked nothing: a test that needs a model or a data set makes a small one.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if (ROOT.parent / "shared" / "data").is_dir():
    os.environ.setdefault("TRUING_DATA", str(ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def truing_data() -> Path:
    """The folder of benchmarks' data; a test that asks for it is skipped where there is none."""
    folder = os.environ.get("TRUING_DATA")
    if not folder:
        pytest.skip("TRUING_DATA names no folder of benchmark data")
    return Path(folder)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require",
        action="append",
        default=[],
        metavar="MARKER",
        help="fail unless at least one test with this marker ran (repeatable)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if required := config.getoption("--require"):
        config.pluginmanager.register(RequiredMarkers(required), "required-markers")


class RequiredMarkers:
    """Fails the session when every test of a required marker was skipped or left out."""

    def __init__(self, required: list[str]) -> None:
        self.ran: dict[str, int] = dict.fromkeys(required, 0)
        self.markers: dict[str, set[str]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            self.markers[item.nodeid] = {mark.name for mark in item.iter_markers()}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and not report.skipped:
            for marker in self.markers[report.nodeid] & self.ran.keys():
                self.ran[marker] += 1

    @property
    def missing(self) -> list[str]:
        return [marker for marker, count in self.ran.items() if count == 0]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.missing and session.exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for marker, count in self.ran.items():
            terminalreporter.write_line(f"tests marked {marker} that ran: {count}")
        for marker in self.missing:
            terminalreporter.write_line(
                f"required: no test marked {marker} ran; all were skipped or left out", red=True
            )
