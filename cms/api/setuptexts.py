"""What the page of the first start says, in Norwegian and in English."""

from collections.abc import Mapping
from dataclasses import dataclass

HEADER_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The page in one language, given as a BCP 47 tag. ``done`` holds places for a name and an id, ``weak`` is by rule."""

    language: str
    title: str
    intro: str
    person: str
    password: str
    hint: str
    again: str
    button: str
    error: str
    choose_somebody: str
    not_the_same: str
    weak: Mapping[str, str]
    done_title: str
    done: str
    closed_title: str
    closed: str
    nobody_title: str
    nobody: str
    failed_title: str


ENGLISH = Texts(
    language="en",
    title="Choose a password",
    intro="Nobody has an account on this server yet. With this link the first maintainer gets one. It works once, for a day.",
    person="Who are you?",
    password="Password",  # noqa: S106 - a label
    hint="At least 12 characters. A few words in a row are easy to remember.",
    again="The same password again",
    button="Make the account",
    error="Error",
    choose_somebody="Choose who you are.",
    not_the_same="The two passwords are not the same.",
    weak={
        "short": "The password needs at least 12 characters.",
        "long": "The password may have at most 1,024 characters.",
        "control": "The password may not hold line breaks or tabs.",
        "plain": "The password needs at least 5 different characters.",
        "token": "This is a token. Choose another text as the password.",
    },
    done_title="Done",
    done="{name} can sign in as {person} with this password now, over the API and with Git. This link no longer works.",
    closed_title="This link does not work",
    closed="It is wrong, older than a day, or was used. As long as nobody has an account, the server prints a new one when it starts. "
    "Later, “cms user passwd” on the server's own machine gives somebody a new password.",
    nobody_title="Nobody can be the first yet",
    nobody="The published cms.toml lists no maintainer. Add these lines to it, with your own name and e-mail address, commit them to the "
    "published branch, and start the server again if it printed no link:",
    failed_title="Not now",
)
NORWEGIAN = Texts(
    language="nb",
    title="Velg et passord",
    intro="Ingen har en konto på denne tjeneren ennå. Med denne lenken får den første som vedlikeholder nettstedet, en. "
    "Den virker én gang, i ett døgn.",
    person="Hvem er du?",
    password="Passord",  # noqa: S106 - a label
    hint="Minst 12 tegn. Noen ord etter hverandre er lette å huske.",
    again="Det samme passordet en gang til",
    button="Opprett kontoen",
    error="Feil",
    choose_somebody="Velg hvem du er.",
    not_the_same="De to passordene er ikke like.",
    weak={
        "short": "Passordet må ha minst 12 tegn.",
        "long": "Passordet kan ha høyst 1024 tegn.",
        "control": "Passordet kan ikke inneholde linjeskift eller tabulatorer.",
        "plain": "Passordet må ha minst 5 forskjellige tegn.",
        "token": "Dette er et token. Velg en annen tekst som passord.",
    },
    done_title="Ferdig",
    done="{name} kan nå logge inn som {person} med dette passordet, over API-et og med Git. Lenken virker ikke lenger.",
    closed_title="Denne lenken virker ikke",
    closed="Den er feil, eldre enn et døgn eller brukt. Så lenge ingen har en konto, skriver tjeneren ut en ny når den starter. "
    "Senere gir «cms user passwd» på tjenerens egen maskin et nytt passord.",
    nobody_title="Ingen kan være den første ennå",
    nobody="Den publiserte cms.toml nevner ingen som vedlikeholder nettstedet (maintainer). Legg til disse linjene med ditt eget navn og din "
    "egen e-postadresse, commit dem på den publiserte grenen, og start tjeneren på nytt hvis den ikke skrev ut noen lenke:",
    failed_title="Ikke nå",
)


def choose_texts(header: str) -> Texts:
    """The language that an ``Accept-Language`` header likes better; English for those who like neither."""
    liked = {"en": 0.0, "nb": 0.0}
    for part in header[:HEADER_MOST].lower().split(","):
        tag, _, quality = part.partition(";")
        try:
            weight = float(quality.replace(" ", "").removeprefix("q=") or 1)
        except ValueError:
            continue
        language = tag.strip().partition("-")[0]
        language = "nb" if language in ("nn", "no") else language
        if language in liked:
            liked[language] = max(liked[language], weight)
    return NORWEGIAN if liked["nb"] > liked["en"] else ENGLISH
