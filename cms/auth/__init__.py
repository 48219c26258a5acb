"""Accounts: who may claim to be whom. Passwords, API tokens, sessions and the one-time link of the first start, in one SQLite file.

All of it has to be erasable and none of it may be read by whoever may clone, so none of it is in Git. Of rights nothing is known here:
``people`` reads them from ``cms.toml``, at the moment of acting. Here a header becomes an :class:`Identity`, or is refused.

``records`` are the values, ``secret`` makes and recognises what we hand out, ``header`` reads what is claimed, ``passwords`` hashes what people
choose, ``previews`` makes and checks what shows a draft, ``throttle`` slows those who guess, ``database`` keeps the file, ``rows`` reads and writes in it, and ``accounts`` puts them together.
"""

from cms.auth.accounts import Accounts
from cms.auth.header import holds_password
from cms.auth.passwords import Passwords
from cms.auth.records import Account, Identity, PreviewGrant, PreviewInfo, SessionInfo, TokenInfo

__all__ = [
    "Account",
    "Accounts",
    "Identity",
    "Passwords",
    "PreviewGrant",
    "PreviewInfo",
    "SessionInfo",
    "TokenInfo",
    "holds_password",
]
