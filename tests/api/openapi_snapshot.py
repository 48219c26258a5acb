"""The stored OpenAPI document of the demo. ``python -m tests.api.openapi_snapshot`` (``make openapi``) writes it anew."""

import json
import tempfile
from pathlib import Path

from tests.api.tools import Client, demo_repo

STORED = Path(__file__).with_name("openapi.snapshot.json")


def document_text(client: Client) -> str:
    """The document as it is stored: one line for each value, so that a change can be read."""
    return json.dumps(client.ask("/openapi.json").json(), ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        client = Client(demo_repo(Path(folder) / "demo.git").path)
        STORED.write_text(document_text(client), "utf-8")
        client.site.close()


if __name__ == "__main__":
    main()
