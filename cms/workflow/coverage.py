"""What approvals cover: file by file, whose approval saw exactly the bytes that would be published, and what is still lacking.

Nothing is ever marked as approved or as stale. Each time anew the blob that publishing would put at a path is compared with the blob that the
draft had changed that path to when somebody approved it; and what is published there must be what it was then, or a draft that drops what was
published in between would take it back with nobody having looked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from cms.errors import CMSError
from cms.policy import Role, Rule
from cms.refs import BlobId
from cms.workflow.facts import FileFacts
from cms.workflow.outcome import EntryState
from cms.workflow.rights import Rights
from cms.workflow.voices import Floor, Voice
from cms.workflow.wording import count_of, list_names, list_paths

SENTENCES_MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """What a file still needs; the same for many files makes one sentence.

    Attributes:
        approvals: how many more.
        by: the group whose approvals count, as people write it; empty for all reviewers.
        by_maintainer: one of those approvals must be a maintainer's.
        candidates: who could give one.
        maintainers: those of them who are maintainers.
        reviewers: whose approval would count if they had not written it or given it already.
        authors: those of them who wrote it.
        problem: why the rule cannot be evaluated.
    """

    approvals: int = 0
    by: str = ""
    by_maintainer: bool = False
    candidates: tuple[str, ...] = ()
    maintainers: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    is_behind: bool = False
    is_clashing: bool = False
    problem: str = ""


class Coverage:
    """The files of one draft, judged.

    Attributes:
        entries: by path, as the facts have them.
        used: commits of approvals that count for some file, and those that do not with a reason.
    """

    def __init__(self, rights: Rights, floor: Floor) -> None:
        self._rights = rights
        self._approvals = {name: tuple(each.approvals) for name, each in floor.standings.items() if each.approvals}
        self._lacks: dict[str, Lack] = {}
        self.used: set[str] = set()
        self.refused: dict[str, str] = {}
        self.entries = tuple(self._judge(file) for file in rights.facts.files)

    @property
    def is_satisfied(self) -> bool:
        """Whether every file has everything that its rule asks for."""
        return all(entry.is_satisfied for entry in self.entries)

    def why_unused(self, voice: Voice) -> str:
        """Why an approval counts for nothing; empty when it counts for something."""
        assert voice.person is not None
        if voice.commit.id in self.used:
            return ""
        if voice.commit.id in self.refused:
            return self.refused[voice.commit.id]
        name = self._rights.policy.name(voice.person)
        if not self._rights.is_reviewer(voice.person):
            return f"{name} is no reviewer of anything in the draft"
        if not voice.commit.seen:
            return "the draft changed nothing when it was given"
        return "what it approved is not what would be published now"

    def _judge(self, file: FileFacts) -> EntryState:
        rule = self._rights.rule(file)
        if isinstance(rule, CMSError):
            return self._entry(file, Rule(), Lack(problem=str(rule)), [], [])
        approvals, lapsed = self._count(file, rule)
        return self._entry(file, rule, self._lack(file, rule, approvals), approvals, lapsed)

    def _entry(
        self, file: FileFacts, rule: Rule, lack: Lack | None, approvals: Sequence[str], lapsed: Sequence[str]
    ) -> EntryState:
        if lack is not None:
            self._lacks[file.path] = lack
        gone = file.blob is None and not file.is_clashing
        return EntryState(
            path=file.path,
            collection=file.collection,
            slug=file.slug,
            locale=file.locale,
            change="deleted" if gone else "added" if file.published is None else "changed",
            blob=file.blob,
            approvals=tuple(approvals),
            needed=rule.approvals,
            lapsed=tuple(lapsed),
            writers=self._rights.writers[file.path],
            may_approve=() if lack is None or file.is_behind or file.is_clashing else lack.candidates,
            needs_maintainer=rule.needs_maintainer,
            is_behind=file.is_behind,
            is_clashing=file.is_clashing,
            is_satisfied=lack is None,
            missing="" if lack is None else self._sentence([file.path], lack),
        )

    # -- counting ------------------------------------------------------------------------------------------------------

    def _count(self, file: FileFacts, rule: Rule) -> tuple[list[str], list[str]]:
        """Whose approval counts for *file*, and whose saw other bytes of it. Bots have no approvals, so each human is there once."""
        counted, lapsed = [], []
        for person, voices in sorted(self._approvals.items()):
            relevant = [voice for voice in voices if file.path in voice.commit.seen and _is_about(voice, file.path)]
            covering = [voice for voice in relevant if _covers(voice, file)]
            reason = self._why_not(person, file, rule) if relevant else ""
            if covering and not reason:
                counted.append(person)
                self.used.update(voice.commit.id for voice in covering)
            elif reason:
                self.refused |= {voice.commit.id: reason for voice in covering}
            elif relevant:
                lapsed.append(person)
        return counted, lapsed

    def _why_not(self, person: str, file: FileFacts, rule: Rule) -> str:
        """Why an approval of *file* by *person* does not count, whatever it saw; empty when it does."""
        rights, name = self._rights, self._rights.policy.name(person)
        if not rights.holds(person, Role.REVIEWER, file):
            return f"{name} is no reviewer of {file.path}"
        if rule.by is not None and person not in rule.by:
            return f"the rule for {file.path} asks for approvals by {self._group(rule)}"
        if self._is_author(person, file, rule):
            return f"{name} had a hand in {file.path}, and the rule does not let authors approve"
        return ""

    def _is_author(self, person: str, file: FileFacts, rule: Rule) -> bool:
        return not rule.authors_may_approve and person in self._rights.writers[file.path]

    # -- what is lacking -----------------------------------------------------------------------------------------------

    def _lack(self, file: FileFacts, rule: Rule, approvals: Sequence[str]) -> Lack | None:
        """What *file* still needs; None when it needs nothing."""
        rights = self._rights
        lacks_maintainer = (
            rule.needs_maintainer
            and rule.approvals > 0
            and not any(rights.holds(person, Role.MAINTAINER, file) for person in approvals)
        )
        more = max(rule.approvals - len(approvals), 1 if lacks_maintainer else 0)
        if more == 0 and not file.is_clashing:
            return None
        reviewers = [
            person
            for person in self._reviewers
            if rights.holds(person, Role.REVIEWER, file) and (rule.by is None or person in rule.by)
        ]
        authors = [person for person in reviewers if self._is_author(person, file, rule)]
        able = [person for person in reviewers if person not in authors and person not in approvals]
        maintainers = [person for person in able if lacks_maintainer and rights.holds(person, Role.MAINTAINER, file)]
        if lacks_maintainer and more == 1:
            able = maintainers
        return Lack(
            approvals=more,
            by="" if rule.by is None else self._group(rule),
            by_maintainer=lacks_maintainer,
            candidates=tuple(able),
            maintainers=tuple(maintainers),
            reviewers=tuple(reviewers),
            authors=tuple(authors),
            is_behind=file.is_behind,
            is_clashing=file.is_clashing,
        )

    @cached_property
    def _reviewers(self) -> tuple[str, ...]:
        """Everybody who may review something, to be asked about each file."""
        return self._rights.policy.holders(Role.REVIEWER)

    def _group(self, rule: Rule) -> str:
        """Whose approvals a rule counts, as ``cms.toml`` calls them: a group, or people."""
        assert rule.by is not None
        names = sorted(name for name, people in self._rights.policy.groups.items() if people == rule.by)
        if names:
            return f"@{names[0]}"
        return list_names(sorted(self._rights.policy.name(person) for person in rule.by), "or")

    # -- saying it -----------------------------------------------------------------------------------------------------

    def sentences(self) -> Iterator[str]:
        """What is lacking, one sentence for all files that lack the same, a bounded number of them."""
        groups: dict[Lack, list[str]] = {}
        for path, lack in self._lacks.items():
            if not lack.is_clashing:
                groups.setdefault(lack, []).append(path)
        for number, (lack, paths) in enumerate(groups.items()):
            if number == SENTENCES_MOST:
                rest = sum(map(len, list(groups.values())[number:]))
                yield f"{count_of(rest, 'other file')} {'needs' if rest == 1 else 'need'} approvals too"
                return
            yield self._sentence(paths, lack)

    def _sentence(self, paths: Sequence[str], lack: Lack) -> str:
        what, is_one = list_paths(paths), len(paths) == 1
        if lack.problem:
            return f"the rule for {what} cannot be evaluated: {lack.problem}"
        if lack.is_clashing:
            return f"{what} cannot be merged: merge the published branch into the draft, and choose"
        need = f"{count_of(lack.approvals, 'more approval')}{f' by {lack.by}' if lack.by else ''}"
        if lack.by_maintainer:
            need += " by a maintainer" if lack.approvals == 1 else ", one of them by a maintainer"
        needs = f"{what} {'needs' if is_one else 'need'} {need}"
        if lack.is_behind:
            return f"{needs}, but changed on the published branch too: merge that into the draft first, so that the result can be seen"
        return f"{needs}: {self._who(lack, it='it' if is_one else 'them')}"

    def _who(self, lack: Lack, *, it: str) -> str:
        """Who can give what is lacking, or why nobody can."""
        policy, count = self._rights.policy, len(lack.candidates)
        names = [policy.name(person) for person in lack.candidates]
        asking = self._rights.ask_maintainer
        if lack.by_maintainer and lack.approvals > 1 and not lack.maintainers:
            return f"{self._nobody(lack, it)}; {asking} to add one"
        if count >= lack.approvals:
            thing = "it" if lack.approvals == 1 else "them"
            return f"{list_names(names, 'or' if count > lack.approvals else 'and')} can give {thing}"
        if count:
            return f"only {list_names(names)} can give one; {asking} to add a reviewer"
        return f"{self._nobody(lack, it)}; {asking} to add one"

    def _nobody(self, lack: Lack, it: str) -> str:
        """Why nobody can give an approval."""
        policy = self._rights.policy
        reviewers = [policy.name(person) for person in lack.reviewers]
        authors = [policy.name(person) for person in lack.authors]
        kind = (
            "reviewer"
            if not lack.by
            else f"reviewer among {lack.by}"
            if lack.by[0] == "@"
            else "reviewer that the rule names"
        )
        if not reviewers:
            return f"nobody can: there is no {kind} for {it}"
        if len(authors) == len(reviewers) == 1:
            return f"nobody can: the only {kind}, {authors[0]}, wrote {it}"
        if len(authors) == len(reviewers):
            return f"nobody can: {list_names(authors)}, its reviewers, wrote {it}"
        if lack.by_maintainer:
            return f"nobody can: no maintainer may review {it}" + (
                f" but {list_names(authors)}, who wrote {it}" if authors else ""
            )
        others = f", and {list_names(authors)} wrote {it}" if authors else ""
        return (
            f"nobody else can: the other reviewers approved{others}"
            if others
            else "nobody else can: there are no other reviewers"
        )


def _is_about(voice: Voice, path: str) -> bool:
    """Whether an approval is about *path*: one with an anchor is about that file alone."""
    return not voice.anchor or voice.anchored_path == path


def _covers(voice: Voice, file: FileFacts) -> bool:
    """Whether an approval saw just what would be published, and what it takes the place of."""
    seen: BlobId | None = voice.commit.seen[file.path]
    return seen == file.blob and not file.is_clashing and file.path not in voice.commit.outdated
