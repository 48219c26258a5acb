"""Proof, from a clone and without a server: who wrote and who approved what is live, and what of that rests on whose word.

``Prover`` looks at everything that is live (``prove``) or at one file (``entry_proof``). It finds the publication that brought the bytes
(``origins``), judges it again by the rules of its time (``replay``), and says on what grounds each act is believed (``judging``,
``trust``). ``newsroom`` tells what was done, act by act.
"""

from cms.proof.grounds import Act, EntryProof, Ground, PublicationProof, Report, ServerKeyTrust, Standing
from cms.proof.prover import Prover
from cms.proof.signers import AllowedSigners, read_allowed_signers

__all__ = [
    "Act",
    "AllowedSigners",
    "EntryProof",
    "Ground",
    "Prover",
    "PublicationProof",
    "Report",
    "ServerKeyTrust",
    "Standing",
    "read_allowed_signers",
]
