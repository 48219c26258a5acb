"""Examples of what is sent to change a site, made from its content: each can be sent as it stands."""

from collections.abc import Mapping
from typing import Any

from cms.entry import Entry

Json = dict[str, Any]
DRAFT = "easter"


def editing_examples(first: Entry | None, title_field: str | None) -> Mapping[str, Json]:
    """Bodies by the component that they are examples of.

    Args:
        first: an entry of the site, with the field that names it.
    """
    key = {"collection": first.collection, "slug": first.slug} if first is not None else {}
    change: Json = {"fields": {title_field: "A new title"}} if title_field is not None else {"body": "A new text.\n"}
    examples: dict[str, Json] = {
        "NewDraft": {"name": DRAFT},
        "EntryChange": {**change, "message": "Say it better"},
        "EntryRemoval": {"message": "Nobody reads it"},
        "Verdict": {"verdict": "request", "message": "Please read the second paragraph"},
        "PublicationRequest": {"message": "Publish the easter programme"},
        "ScheduleRequest": {"publish_at": "2035-03-25T07:00:00+02:00"},
        "ScheduleRemoval": {},
        "Closing": {"reason": "Next year"},
        "NewPreview": {"expires_at": None},
        "NewToken": {"name": "laptop", "scopes": ["draft.read", "draft.write"]},
    }
    return {**examples, "Rename": {**key, "to": f"{first.slug}-2"}} if first is not None else examples


def path_examples(first: Entry | None) -> Mapping[str, str]:
    """Values of the parameters in paths."""
    entry = {"collection": first.collection, "slug": first.slug} if first is not None else {}
    return {"name": DRAFT, **entry}
