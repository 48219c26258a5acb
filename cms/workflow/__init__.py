"""Editorial workflow: how drafts are written, judged by others, and published.

The state of a draft is computed from Git each time and kept nowhere: ``facts`` (what Git says) are brought together by ``gather``, ``state``
folds them under the rules of the moment, and ``actions`` says what is possible then. The verbs, each once and each with the acting principal
as an argument, are in the modules named after them; ``flow`` is what they stand on.
"""
