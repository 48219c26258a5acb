"""Wagtail: Django's content management system and its JSON API, two worker processes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.bench.generate import COMMON_WORD, RARE_WORD
from tests.bench.peers import peer
from tests.bench.peers.peer import ASKED_CATEGORY, PAGE, Post

WORKERS = 2
SETTINGS = """
import os
SECRET_KEY = "only to measure"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "site_urls"
USE_TZ = True
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
WAGTAIL_SITE_NAME = "Blog"
WAGTAILADMIN_BASE_URL = "http://localhost"
INSTALLED_APPS = ["blog", "wagtail.api.v2", "wagtail.search", "wagtail.users", "wagtail.images", "wagtail.documents",
    "wagtail.admin", "wagtail.sites", "wagtail", "taggit", "modelcluster", "rest_framework", "django_filters",
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages"]
MIDDLEWARE = []
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(os.path.dirname(__file__), "db.sqlite3")}}
WAGTAILSEARCH_BACKENDS = {"default": {"BACKEND": "wagtail.search.backends.database"}}
"""
URLS = """
from django.urls import include, path
from wagtail import urls
from wagtail.api.v2.router import WagtailAPIRouter
from wagtail.api.v2.views import PagesAPIViewSet
router = WagtailAPIRouter("wagtailapi")
router.register_endpoint("pages", PagesAPIViewSet)
urlpatterns = [path("api/v2/", router.urls), path("", include(urls))]
"""
MODELS = """
from django.db import models
from wagtail.api import APIField
from wagtail.models import Page
from wagtail.search import index
class Author(models.Model):
    name = models.CharField(max_length=100)
    api_fields = [APIField("name")]
class Post(Page):
    published_at = models.DateTimeField(db_index=True)
    category = models.CharField(max_length=50, db_index=True)
    tags = models.JSONField()
    author = models.ForeignKey(Author, on_delete=models.PROTECT)
    summary = models.TextField()
    body = models.TextField()
    api_fields = [APIField(name) for name in ("published_at", "category", "tags", "author", "summary", "body")]
    search_fields = [*Page.search_fields, index.SearchField("summary"), index.SearchField("body"),
        index.FilterField("category"), index.FilterField("published_at")]
"""
FILL = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
import django
django.setup()
from django.db import transaction
from wagtail.models import Page, Site
from blog.models import Author, Post
with transaction.atomic():
    for number, name in enumerate(json.load(open("authors.json"))):
        Author(id=number + 1, name=name).save()
    home = Page.objects.filter(depth=2).first()
    for made in json.load(open("posts.json")):
        home.add_child(instance=Post(title=made["title"], slug=made["slug"][:255], published_at=made["published_at"],
            category=made["category"], tags=made["tags"], author_id=made["author"] + 1, summary=made["summary"],
            body=made["html"], live=True))
    Site.objects.all().delete()
    Site.objects.create(hostname="127.0.0.1", root_page=home, is_default_site=True)
"""


class Wagtail:
    """Its API has no address by slug: an entry is asked for by its number."""

    name = "Wagtail"

    def install(self, folder: Path) -> str:
        """See `Peer`."""
        return peer.pip_install(folder, "wagtail", "wagtail", "gunicorn")

    def fill(self, folder: Path, posts: Sequence[Post]) -> None:
        """See `Peer`."""
        (folder / "blog/migrations").mkdir(parents=True, exist_ok=True)
        for path, text in (
            ("site_settings.py", SETTINGS),
            ("site_urls.py", URLS),
            (
                "site_wsgi.py",
                "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
            ),
            ("blog/__init__.py", ""),
            ("blog/migrations/__init__.py", ""),
            ("blog/models.py", MODELS),
            ("fill.py", FILL),
            ("posts.json", json.dumps([asdict(post) for post in posts])),
            ("authors.json", json.dumps(peer.author_names())),
        ):
            (folder / path).write_text(text)
        (folder / "db.sqlite3").unlink(missing_ok=True)
        python = str(folder / "venv/bin/python")
        for name in ("makemigrations blog", "migrate"):
            command = [python, "-m", "django", *name.split()]
            peer.run(command, folder, DJANGO_SETTINGS_MODULE="site_settings", PYTHONPATH=str(folder))
        peer.run([python, "fill.py"], folder)

    def command(self, folder: Path, port: int) -> tuple[list[str], Mapping[str, str]]:
        """See `Peer`."""
        program = str(folder / "venv/bin/gunicorn")
        options = [
            "--workers",
            str(WORKERS),
            "--bind",
            f"127.0.0.1:{port}",
            "--keep-alive",
            "60",
            "--log-level",
            "error",
        ]
        return [program, *options, "site_wsgi"], {"DJANGO_SETTINGS_MODULE": "site_settings"}

    def addresses(self, folder: Path, port: int, slug: str) -> Mapping[str, str]:
        """See `Peer`."""
        del port
        posts = json.loads((folder / "posts.json").read_text())
        number = next(place for place, post in enumerate(posts) if post["slug"] == slug)
        shown = "published_at,category,tags,summary"
        newest = f"/api/v2/pages/?type=blog.Post&order=-published_at&limit={PAGE}&fields="
        searched = f"/api/v2/pages/?type=blog.Post&limit={PAGE}&fields={shown}&search="
        return {
            peer.ONE: f"/api/v2/pages/{number + FIRST_PAGE}/",
            peer.NEWEST: newest + shown,
            peer.CATEGORY: f"{newest}{shown}&category={ASKED_CATEGORY}&offset={2 * PAGE}",
            peer.DEEP: f"{newest}{shown}&offset={49 * PAGE}",
            peer.RELATIONS: f"{newest}{shown},author(name)",
            peer.BODIES: f"{newest}{shown},body",
            peer.RARE: searched + RARE_WORD,
            peer.COMMON: searched + COMMON_WORD,
            peer.FRESH: searched + peer.WORD,
        }


#: The root and the page that Wagtail makes itself come before.
FIRST_PAGE = 3
