"""Git over HTTP: cloning, fetching and pushing with stock Git.

``relay`` answers requests with Git's own programs, ``hook`` is where a push is judged before it is accepted. Not here: what is right or
wrong with a push (``workflow.pushes``), who may what (``permissions``), passwords and tokens (``auth``).
"""
