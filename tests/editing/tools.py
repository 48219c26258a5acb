"""A site with people, rules and an office, in a real repository."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cms.inferred import infer_model
from cms.office import Office
from cms.permissions import Principal
from cms.refs import CommitId
from cms.settings import Environment
from cms.site import Site
from cms.workflow.flow import Workflow
from cms.workflow.outcome import DraftState
from cms.workflow.writing import EntryName
from tests.repo import Repo

NOW = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
SETTINGS = """
[site]
title = "Test"
url = "https://example.org"
locales = ["nb", "en"]
default_locale = "nb"
time_zone = "Europe/Oslo"
branch = "main"
"""
PEOPLE = """
[people.ola]
name = "Ola Hansen"
emails = ["ola@example.org"]
[people.per]
name = "Per Lie"
emails = ["per@example.org"]
[people.eva]
name = "Eva Dahl"
emails = ["eva@example.org"]
[people.rita]
name = "Rita Moe"
emails = ["rita@example.org"]
[people.pia]
name = "Pia Berg"
emails = ["pia@example.org"]
[people.mia]
name = "Mia Vik"
emails = ["mia@example.org"]
[people.robot]
name = "Import"
owner = "eva"
[groups]
editors = ["eva", "rita"]
[[roles]]
role = "writer"
who = ["ola", "per", "eva"]
[[roles]]
role = "reviewer"
who = ["@editors"]
[[roles]]
role = "publisher"
who = ["pia", "eva"]
[[roles]]
role = "maintainer"
who = ["mia"]
[[roles]]
role = "bot"
who = ["robot"]
scopes = ["draft.read", "draft.create", "draft.write", "git.fetch", "git.push"]
[[rules]]
approvals = 1
by = ["@editors"]
[bypass]
who = ["mia"]
"""
POSTS = """
type: object
x-path: posts/{slug}.md
x-title: title
required: [title]
additionalProperties: false
properties:
  title: {type: string, minLength: 1}
  tags: {type: array, items: {type: string}}
  category: {type: string}
  number: {type: integer}
  related: {type: array, items: {type: string}, x-reference: posts}
"""
FILES: Mapping[str, str] = {
    "cms.toml": SETTINGS + PEOPLE,
    "schemas/posts.yaml": POSTS,
    "posts/a.md": "---\ntitle: A\ncategory: helse # fast\n---\nFirst text.\n",
    "posts/b.md": "---\ntitle: B\nrelated: [a]\n---\nSecond text.\n",
}


class Newsroom:
    """One site being edited. Every act happens a minute after the one before."""

    def __init__(self, path: Path, *, files: Mapping[str, str] = FILES, now: datetime = NOW) -> None:
        self.path = path
        self.repo = Repo.create(path / "site.git")
        self.first = self.repo.commit(files, at=now - timedelta(days=10))
        self.now = now
        self.site = self.open()

    def open(self) -> Site:
        """Another process's view of the same site."""
        environment = Environment(site=self.path / "site.git", state=str(self.path / "state"))
        return Site.open(self.path / "site.git", infer=infer_model, environment=environment)

    @property
    def office(self) -> Office:
        return self.site.office()

    @property
    def flow(self) -> Workflow:
        return self.office.flow

    def tick(self, **step: float) -> datetime:
        """Let time pass; a minute when nothing is said."""
        self.now += timedelta(**step) if step else timedelta(minutes=1)
        return self.now

    def who(self, person: str, via: str = "session") -> Principal:
        """Somebody who signed in."""
        known = self.flow.policy().people[person]
        email = known.emails[0] if known.emails else ""
        return Principal(person=person, name=known.name, email=email, via=via)

    def state(self, name: str) -> DraftState:
        """The state of a draft now."""
        return self.flow.state(name, self.now)

    def read(self, path: str, commit: str = "refs/heads/main") -> str | None:
        """A file as it is published, or at another commit."""
        store = self.site.store
        found = store.resolve(commit)
        assert found is not None
        blob = store.find_blob(found, path)
        return None if blob is None else store.read_blob(blob).decode()

    @property
    def main(self) -> CommitId:
        """Where the published branch is."""
        return self.flow.published()


def post(slug: str, locale: str = "") -> EntryName:
    """The name of a post."""
    return EntryName(collection="posts", slug=slug, locale=locale)
