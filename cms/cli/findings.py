"""Findings as people, programs and the pipelines of Git hosts read them."""

from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha256

from cms.cli.output import finding_text, out, print_json
from cms.finding import Finding, printable


class Format(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    GITLAB = "gitlab"


def print_findings(findings: Sequence[Finding], format: Format) -> None:
    """One finding a line; for GitLab all of them as one report."""
    if format is Format.GITLAB:
        return print_json(code_quality(findings))
    console = out()
    for finding in findings:
        console.print(github_command(finding) if format is Format.GITHUB else finding_text(finding))
    return None


def github_command(finding: Finding) -> str:
    """A finding as a GitHub workflow command, which shows it at its line in a pull request."""
    place = {"file": finding.path, "line": finding.line, "col": finding.column, "title": finding.field or finding.rule}
    properties = ",".join(f"{key}={_escape_property(str(value))}" for key, value in place.items() if value)
    return f"::{finding.severity}{f' {properties}' if properties else ''}::{_escape_data(_sentence(finding))}"


def code_quality(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """Findings as GitLab's Code Quality report, which shows them at their lines in a merge request.

    What makes one the same as in an earlier report is where it is and what it says, not its line: lines move.
    """
    seen: dict[str, int] = {}
    report: list[dict[str, object]] = []
    for finding in findings:
        mark = "\n".join((finding.path, finding.field, finding.rule, finding.message))
        seen[mark] = seen.get(mark, 0) + 1
        report.append(
            {
                "description": printable(f"{finding.field}: " if finding.field else "") + printable(_sentence(finding)),
                "check_name": finding.rule or "content",
                "fingerprint": sha256(f"{mark}\n{seen[mark]}".encode()).hexdigest(),
                "severity": "major" if finding.severity == "error" else "minor",
                "location": {"path": finding.path or "cms.toml", "lines": {"begin": finding.line or 1}},
            }
        )
    return report


def _sentence(finding: Finding) -> str:
    return f"{finding.message} ({finding.hint})" if finding.hint else finding.message


def _escape_data(text: str) -> str:
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")
