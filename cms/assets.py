"""Assets: which files of the repository are served as they are, and as what. Pure."""

import mimetypes

SAFE_TYPES = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/avif",
        "application/pdf",
        "audio/mpeg",
        "video/mp4",
        "video/webm",
    }
)
mimetypes.add_type("image/webp", ".webp")
mimetypes.add_type("image/avif", ".avif")


def kind_of(path: str) -> str:
    """The media type of a file that may be served; empty for others: a browser must not run what somebody committed."""
    kind = mimetypes.guess_type(path)[0]
    return kind if kind in SAFE_TYPES and not is_hidden(path) else ""


def is_hidden(path: str) -> bool:
    """Whether a part of *path* begins with a dot, as what is not meant for readers does."""
    return any(part.startswith(".") for part in path.split("/"))
