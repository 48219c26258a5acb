"""From a replayed publication to what can be said of it and of each file that it brought: who, on what grounds, and whether it was right.

Pure: everything was read before. What nobody vouches for is told as the commit tells it, and counts for nothing.
"""

from dataclasses import replace

from cms.errors import RepositoryProblem
from cms.proof.grounds import Act, EntryProof, Ground, PublicationProof, Standing
from cms.proof.replay import Replay
from cms.signatures import short_fingerprint
from cms.trailers import find_trailer
from cms.workflow.facts import CommitFacts, former_paths
from cms.workflow.outcome import EntryState, Remark
from cms.workflow.state import why_no_publishing
from cms.workflow.wording import count_of, list_names

NO_REASON = "no reason is given"


def judge_publication(replayed: Replay) -> PublicationProof:
    """Say who published, and why that is believed."""
    commit, policy, key = replayed.commit, replayed.policy, replayed.key
    entry = replayed.publication.entry
    entry = entry if entry is not None and entry.is_valid else None
    claimed = find_trailer(commit.message, "Published-by")
    signer = policy.find_by_key(key) if key else None
    person: str | None = None
    ground = Ground.CLAIMED
    if signer is not None:
        person, ground = signer, Ground.SIGNED
    elif replayed.is_server and claimed is not None:
        person, ground = claimed, Ground.SERVER
    if entry is not None and entry.person != person:  # somebody else may push what they merged
        person, ground = entry.person, Ground.LOG
    act = Act(
        commit=commit.id,
        at=commit.committed_at,
        person=person,
        name=policy.name(person or claimed or "") or commit.committer_name,
        claimed=commit.author_name,
        ground=ground,
        key=shown_key(key) if ground in (Ground.SIGNED, Ground.SERVER) else "",
        is_logged=entry is not None,
    )
    bypass = find_trailer(commit.message, "Bypass") or ""
    if not bypass and entry is not None and entry.act == "bypass":
        bypass = entry.note or NO_REASON
    return PublicationProof(
        commit=commit.id, at=commit.committed_at, draft=replayed.draft, act=act, bypass=bypass, entry=entry
    )


def judge_file(proof: EntryProof, replayed: Replay, publication: PublicationProof) -> EntryProof:
    """Complete the *proof* of a file that the publication brought.

    Raises:
        RepositoryProblem: the publication did not bring it.
    """
    state = replayed.entries.get(proof.path)
    if state is None or state.blob != proof.blob:
        raise RepositoryProblem(
            f"{proof.path} was not brought by {proof.origin}", path=proof.path, hint="run `git fsck`"
        )
    commits = {commit.id: commit for commit in replayed.facts.commits}
    approvals = [
        _approval(replayed, commits[remark.commit], remark, state)
        for remark in replayed.state.remarks
        if remark.verdict == "approve" and _saw(commits[remark.commit], remark, state)
    ]
    standing, why = judge_state(replayed, publication, state)
    names = former_paths(replayed.facts.commits, [proof.path])
    signed = {act.person for act in approvals if act.counts and act.ground is Ground.SIGNED}
    is_signed = len(signed) >= state.needed if state.needed else publication.act.ground is Ground.SIGNED
    return replace(
        proof,
        standing=standing,
        publication=publication,
        writers=tuple(act_of(replayed, commit) for commit in commits.values() if names & commit.changed),
        approvals=tuple(approvals),
        needed=state.needed,
        is_signed=is_signed and standing is Standing.APPROVED,
        why=why,
    )


def judge_state(replayed: Replay, publication: PublicationProof, state: EntryState) -> tuple[Standing, str]:
    """Say how a file stands that was published, live or not, and if something is wrong with that, what."""
    name, person = publication.act.name, publication.act.person
    if replayed.problem:
        return Standing.UNAPPROVED, f"the rules of that time cannot be read: {replayed.problem}"
    if publication.bypass:
        return Standing.BYPASSED, f"{name} published it without the approvals: {publication.bypass}"
    if not state.is_satisfied:
        return Standing.UNAPPROVED, _why_unapproved(state)
    if replayed.state.blocking:
        names = [replayed.policy.name(remark.person or "") for remark in replayed.state.blocking]
        return Standing.UNAPPROVED, f"it was published while {list_names(names)} asked for changes"
    if person is None and not state.needed:
        return Standing.UNAPPROVED, "the rule asks for no approval, and nobody vouches for who published it"
    reason = why_no_publishing(replayed.state, replayed.policy, person) if person is not None else ""
    return (Standing.UNAPPROVED, f"{name} published it, but {reason}") if reason else (Standing.APPROVED, "")


def act_of(replayed: Replay, commit: CommitFacts) -> Act:
    """Say whose commit it is, on the best grounds there are."""
    policy, attestation = replayed.policy, commit.attestation
    signer = policy.find_by_key(attestation.key) if attestation.key else None
    acted_by = commit.find_trailer("acted-by") if attestation.is_server else None
    person: str | None = None
    ground = Ground.CLAIMED
    if signer is not None:
        person, ground = signer, Ground.SIGNED
    elif acted_by is not None:
        person, ground = acted_by, Ground.SERVER
    elif attestation.pusher is not None:
        person, ground = attestation.pusher, Ground.LOG
    claimed = commit.author.name or commit.author.email
    known = policy.find_by_email(commit.author.email) if commit.author.email else None
    return Act(
        commit=commit.id,
        at=attestation.at or commit.committed_at,
        person=person,
        name=policy.name(person or known or "") or claimed,
        claimed=policy.name(known) if known else claimed,
        co_authors=tuple(policy.name(policy.find_by_email(each.email) or each.name) for each in commit.co_authors),
        ground=ground,
        key=shown_key(attestation.key) if ground in (Ground.SIGNED, Ground.SERVER) else "",
        is_logged=attestation.pusher is not None and attestation.pusher == person,
    )


def _approval(replayed: Replay, commit: CommitFacts, remark: Remark, state: EntryState) -> Act:
    act = act_of(replayed, commit)
    if remark.person is None:
        act = replace(act, person=None, name=act.claimed, ground=Ground.CLAIMED, key="", is_logged=False)
    counts = remark.person in state.approvals and remark.counts
    return replace(act, counts=counts, why_not="" if counts else remark.why_not or _why_uncounted(act, state))


def _saw(commit: CommitFacts, remark: Remark, state: EntryState) -> bool:
    """Whether an approval was given when the draft held exactly the bytes that are live, and is about them."""
    about = remark.anchor.partition("#")[0]
    path, _, line = about.rpartition(":")
    about = path if path and line.isdecimal() else about
    return commit.seen.get(state.path) == state.blob and about in ("", state.path)


def _why_unapproved(state: EntryState) -> str:
    maintainer = ", one of them by a maintainer" if state.needs_maintainer else ""
    lapsed = f"; {list_names(state.lapsed)} approved other bytes of it" if state.lapsed else ""
    given = count_of(len(state.approvals), "approval")
    return f"the rules asked for {count_of(state.needed, 'approval')}{maintainer}, and {given} can be shown{lapsed}"


def _why_uncounted(act: Act, state: EntryState) -> str:
    if act.person is not None and act.person in state.writers:
        return f"{act.name} had a hand in it"
    return f"the rule for it does not count approvals by {act.name}"


def shown_key(key: str) -> str:
    """A key as people compare it; nothing for nothing."""
    return short_fingerprint(key) if key else ""
