"""What cannot be beaten by much: a bare Starlette route, and nginx, with the very bytes that Branchpress answered."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench.floor import write_answers
from tests.bench.servers import Answer, free_port, running, serve_answers

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  sendfile on;
  tcp_nodelay on;
  keepalive_requests 1000000;
  open_file_cache max=1000;
  default_type application/json;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {folder}/files; }}
}}
"""


@contextmanager
def starlette_route(answers: Mapping[str, tuple[str, Answer]]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """A port and the path of each question, for *answers*: question to the path and what was answered there."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "answers.json"
        write_answers(file, {path: (answer.body, answer.etag) for path, answer in answers.values()})
        with serve_answers(file) as port:
            yield port, {question: path for question, (path, _) in answers.items()}


@contextmanager
def nginx_files(answers: Mapping[str, tuple[str, Answer]]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """As `starlette_route`, from files.

    Raises:
        RuntimeError: nginx is not installed.
    """
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        raise RuntimeError("it is not installed")
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)  # its worker may be another user
        (folder / "files").mkdir()
        for number, (_, answer) in enumerate(answers.values()):
            (folder / f"files/{number}.json").write_bytes(answer.body)
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
        with running([program, "-c", str(folder / "nginx.conf")], port, "/0.json"):
            yield port, {question: f"/{number}.json" for number, question in enumerate(answers)}
