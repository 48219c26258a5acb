"""``cms maintain``: keeps the repository fast and small."""

from cms.cli.output import counted, out
from cms.cli.sites import SiteArgument, find_repository
from cms.maintenance import maintain
from cms.store import Store


def maintain_repository(site: SiteArgument = None) -> None:
    """Pack what has become many small files, and clear away what killed programs left.

    May run while the site is served and edited, once a night for example. Nothing
    that is younger than two weeks is ever thrown away.
    """
    upkeep = maintain(Store.open(find_repository(site)))
    console = out()
    for path in upkeep.left:
        console.print(f"Removed {path}, which somebody had left behind.", markup=False, highlight=False)
    console.print(f"{counted(upkeep.packs, 'pack')}, {counted(upkeep.loose, 'loose object')}.")
