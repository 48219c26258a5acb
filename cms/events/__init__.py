"""Events: what happened to a site and its drafts, in order, as Git and the clock tell it.

Nothing is announced by one process to another, and nothing is kept: whoever asks names the last event they know, and what came after it is read
from the published branch, from the push log, and from the moments that entries name. So every process tells the same, also after a restart.
"""

from cms.events.event import Event, Mark, parse_mark
from cms.events.source import Batch, Events

__all__ = ["Batch", "Event", "Events", "Mark", "parse_mark"]
