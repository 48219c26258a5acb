"""``cms serve``: a site as a content API, with uvicorn; says first what is served and what is wrong with it."""

import errno
import socket
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer
import uvicorn
from rich.console import Console
from rich.text import Text
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from cms.app import build_app
from cms.check import check_snapshot
from cms.cli.application import API
from cms.cli.exits import INTERRUPTED, PORT, UNREADABLE, USAGE, Refused
from cms.cli.git import count_uncommitted
from cms.cli.output import counted, finding_text, out, print_note
from cms.cli.protocol import BoundedProtocol
from cms.cli.sites import BranchOption, SiteArgument, open_site, update_search
from cms.errors import CMSError, NotFound, SearchUnavailable
from cms.finding import printable
from cms.log import configure_log
from cms.refs import short_name
from cms.settings import SCHEMAS_FOLDER, SETTINGS_FILE, export_environment, read_environment
from cms.site import Site

APPLICATION = "cms.app:create_app"  # by name, because worker processes make their own
BACKLOG = 2048
STOP_SECONDS = 10
HEALTH_SECONDS = 60
WORKERS_MOST = 64
INDEX_AT_ONCE = 2000
FINDINGS_SHOWN = 5
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104 - to be shown, not bound


def serve(
    site: SiteArgument = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=WORKERS_MOST, help="Number of processes that answer.")] = 1,
    branch: BranchOption = "",
    access_log: Annotated[bool, typer.Option("--access-log", help="Log every request.")] = False,
) -> None:
    """Serve a repository as a content API.

    Answers with what is committed on the published branch, and notices new
    commits by itself. A repository without cms.toml is served too, with schemas
    inferred from its files.
    """
    configure_log(read_environment().log_level)
    listener = bind(host, port)
    opened, environment = open_site(site, branch)
    console = out()
    describe(console, opened)
    prepare_search(console, opened)
    port = listener.getsockname()[1]
    with refusing_port(host, port):
        listener.listen(BACKLOG)
    environment = replace(environment, url=environment.url or f"http://{reachable(host)}:{port}")
    opened.environment = environment
    print_addresses(console, opened, host, port)
    print_editing(console, opened)
    if workers == 1:
        return run_alone(listener, build_app(opened), access_log=access_log)
    opened.close()
    export_environment(environment)
    return run_workers(listener, workers, access_log=access_log)


class refusing_port:  # noqa: N801 - used like a function
    """Turns what the system says of an address into a refusal."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    def __enter__(self) -> None:
        """Nothing is done before."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Translate *error*."""
        if not isinstance(error, OSError):
            return
        if error.errno == errno.EADDRINUSE:
            free = find_free_port(self._host, self._port)
            raise Refused(
                f"port {self._port} is taken by another program",
                hint=f"stop that one, or use another port: cms serve --port {free}",
                code=PORT,
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise Refused(
                f"port {self._port} may not be used without special rights",
                hint="use one above 1023: cms serve --port 8000",
                code=PORT,
            ) from error
        raise Refused(
            f"cannot listen on {self._host}: {error.strerror or error}",
            hint="127.0.0.1 is for this machine alone, 0.0.0.0 for every network",
            code=USAGE,
        ) from error


def bind(host: str, port: int) -> socket.socket:
    """Take the address before anything that takes long. Connections are accepted when the site has been read.

    Raises:
        Refused: the port is taken, or the address is not one of this machine.
    """
    with refusing_port(host, port):
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    return listener


def find_free_port(host: str, taken: int) -> int:
    """A port near *taken* that is free; *taken* + 1 when none of the next ones is."""
    for port in range(taken + 1, min(taken + 50, 65536)):
        with suppress(OSError), socket.create_server((host, port)):
            return port
    return min(taken + 1, 65535)


def describe(console: Console, site: Site) -> None:
    """Print what is served, and what is wrong with it."""
    store = site.store
    rows = [("repository", str(store.work_tree or store.git_dir))]
    if site.is_empty:
        console.print(Text("There is nothing to serve yet", "bold"))
        rows.append(("branch", site.trouble.message if site.trouble else "no commit"))
        rows.append(("", "commit something; it is served with the next request"))
        return print_rows(console, rows)
    catalog = site.catalog
    model = catalog.model
    console.print(Text(printable(model.settings.site.title), "bold"))
    commit = catalog.snapshot.commit
    subject = commit.message.strip().partition("\n")[0]
    rows.append(("branch", f"{short_name(site.ref)} at {commit.id[:7]}, {subject[:60]!r}"))
    if model.is_inferred:
        rows.append(("schema", f"inferred from the files, {counted(len(model.collections), 'collection')}"))
        rows.append(("", "to keep and improve it: cms adopt"))
    else:
        settings = f"{SETTINGS_FILE} and " if SETTINGS_FILE in model.sources else ""
        schemas = sum(path != SETTINGS_FILE for path in model.sources)
        rows.append(("schema", f"written down in {settings}{counted(schemas, 'file')} in {SCHEMAS_FOLDER}/"))
    shelves = [f"{name} {shelf.count:,}" for name, shelf in catalog.shelves.items()]
    rows.append(("entries", ", ".join(shelves) or "none"))
    print_rows(console, rows)
    print_findings(console, site)
    if store.work_tree is not None:
        changed = count_uncommitted(store.work_tree)
        if changed:
            print_rows(
                console, [("note", f"{counted(changed, 'file')} changed but not committed: only commits are served")]
            )
    return None


def print_rows(console: Console, rows: list[tuple[str, str]]) -> None:
    """Print names and values below each other."""
    for name, value in rows:
        console.print(Text.assemble(f"  {name:11}", printable(value)))


def print_findings(console: Console, site: Site) -> None:
    """Print how much is wrong, and the first of it."""
    findings = check_snapshot(site.catalog.snapshot, site.store)
    wrong = [finding for finding in findings if finding.severity == "error"]
    if not findings:
        return
    odd = len(findings) - len(wrong)
    parts = [counted(len(wrong), "error")] * bool(wrong) + [counted(odd, "warning")] * bool(odd)
    print_rows(console, [("problems", f"{' and '.join(parts)}; to see all: cms check")])
    for finding in (wrong or findings)[:FINDINGS_SHOWN]:
        console.print(Text.assemble(" " * 13, finding_text(finding)))


def prepare_search(console: Console, site: Site) -> None:
    """Bring the index up to date when that is quick; the server does the rest while it already answers."""
    if site.is_empty:
        return
    try:
        missing = update_search(site, most=INDEX_AT_ONCE)
    except SearchUnavailable as error:
        print_note(f"  search      not available: {error}")
        return
    state = f"{counted(missing, 'text')} are being indexed in the background" if missing else "ready"
    print_rows(console, [("search", state)])


def print_addresses(console: Console, site: Site, host: str, port: int) -> None:
    """Print where the site is served, with commands that show real content."""
    address = f"http://{reachable(host)}:{port}"
    console.print()
    console.print(Text.assemble("Listening on ", (f"{address}{API}/", "bold"), " (Ctrl-C stops)"))
    if site.is_empty:
        return
    shelves = [shelf for shelf in site.catalog.shelves.values() if shelf.count]
    if shelves:
        best = max(shelves, key=lambda shelf: (shelf.collection.date_field is not None, shelf.count))
        console.print(Text(f"  curl '{address}{API}/entries/{quote(best.collection.name)}?limit=3'"))
    word = find_word(site)
    if word:
        console.print(Text(f"  curl '{address}{API}/search?q={quote(word)}'"))


def reachable(host: str) -> str:
    """*host* as an address shows it; for every network the one that this machine itself can use."""
    return EVERY_ADDRESS.get(host, f"[{host}]" if ":" in host else host)


def print_editing(console: Console, site: Site) -> None:
    """Print how the site is edited, and to a new one the link with which its first maintainer begins."""
    if site.is_empty:
        return
    try:
        office = site.office()
    except NotFound:
        return
    except CMSError as error:
        print_note(f"Nobody can edit here: {error}")
        return
    address = office.flow.address
    console.print(Text(f"  git clone {address}/git/{office.name}.git"))
    secret = office.accounts.setup_secret(datetime.now(UTC))
    if secret is not None:
        console.print(
            Text("Nobody has an account yet. The first maintainer chooses a password here, once, within a day:")
        )
        console.print(Text(f"  {address}/setup/{secret}"))


def find_word(site: Site) -> str:
    """A word to search for that will be found: the longest in a title."""
    titles = (
        entries[0].parsed.title or "" for shelf in site.catalog.shelves.values() for entries in shelf.slugs.values()
    )
    words = (word for _, title in zip(range(20), titles, strict=False) for word in title.split() if word.isalpha())
    return max(words, key=lambda word: min(len(word), 14), default="").casefold()


def server_config(application: Any, *, workers: int, access_log: bool) -> uvicorn.Config:
    """How uvicorn is to run; *application* is one, or the name of a factory of one."""
    return uvicorn.Config(
        application,
        factory=isinstance(application, str),
        http=BoundedProtocol,
        workers=workers,
        access_log=access_log,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=STOP_SECONDS,
        timeout_worker_healthcheck=HEALTH_SECONDS,
    )


def run_alone(listener: socket.socket, application: Any, *, access_log: bool) -> None:
    """Answer in this process, from the site that was read already, until a signal stops it.

    Raises:
        typer.Exit: it could not start.
    """
    server = uvicorn.Server(server_config(application, workers=1, access_log=access_log))
    server.run(sockets=[listener])
    if not server.started:
        raise typer.Exit(UNREADABLE)


def run_workers(listener: socket.socket, workers: int, *, access_log: bool) -> None:
    """Answer in several processes, each of which reads the site that the environment names.

    Raises:
        typer.Exit: they could not start, or were interrupted.
    """
    supervisor = Supervisor(server_config(APPLICATION, workers=workers, access_log=access_log), sockets=[listener])
    supervisor.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
        raise typer.Exit(UNREADABLE)
    if supervisor.is_interrupted:
        raise typer.Exit(INTERRUPTED)


class Supervisor(Multiprocess):
    """Uvicorn's own supervisor of worker processes, which does not tell why it ended."""

    is_interrupted = False

    def handle_int(self) -> None:
        """Remember that it was Ctrl-C."""
        self.is_interrupted = True
        super().handle_int()
