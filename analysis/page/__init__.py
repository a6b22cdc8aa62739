"""One HTML page that needs nothing beside itself: text, tables and pictures, in light, in dark and on paper.

What is given as text is escaped here. The page's policy forbids it to load anything: it runs the one script and uses
the one style that it carries (`page.js`, `page.css`), known by their digests, and shows pictures that it carries.
"""

import base64
import hashlib
import html
from collections.abc import Iterable
from pathlib import Path

_HERE = Path(__file__).parent


def document(title: str, sections: list[tuple[str, str]], head: str, refresh: int | None = None) -> str:
    """The whole document.

    Args:
        title: plain text.
        sections: (heading as plain text, body as HTML) in order.
        head: HTML below the title.
        refresh: seconds after which a browser reads the file again; None: never.
    """
    style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    policy = (
        f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    again = f'<meta http-equiv="refresh" content="{refresh}">\n' if refresh else ""
    links = "".join(f'<li><a href="#{anchor(name)}">{html.escape(name)}</a></li>' for name, _ in sections)
    body = "".join(
        f'<section id="{anchor(name)}"><h2>{html.escape(name)}</h2>\n{part}</section>\n' for name, part in sections
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n{again}'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{html.escape(title)}</title>\n'
        f'<style>{style}</style></head>\n<body><a class="skip" href="#content">Skip to the content</a>\n'
        f'<header><h1>{html.escape(title)}</h1>\n{head}</header>\n<nav aria-label="Contents"><ul>{links}</ul></nav>\n'
        f'<main id="content">\n{body}</main>\n'
        '<dialog id="large"><form method="dialog"><button>Close</button></form><img alt=""></dialog>\n'
        f"<script>{script}</script></body></html>\n"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def anchor(name: str) -> str:
    """A heading as a link's target."""
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())


def picture(content: bytes, caption: str, title: str, file: str) -> str:
    """A picture carried inside the page, that opens large.

    Args:
        content: SVG or PNG.
        caption, title: plain text.
        file: relative path of the image beside the page, for readers without scripts.
    """
    kind = "png" if content.startswith(b"\x89PNG") else "svg+xml"
    data = base64.b64encode(content).decode()
    return (
        f'<figure><a class="open" href="{html.escape(file)}"><img alt="{html.escape(title)}" '
        f'src="data:image/{kind};base64,{data}"></a><figcaption>{html.escape(caption)}</figcaption></figure>\n'
    )


def note(text: str, warning: bool = False) -> str:
    """A small-print paragraph."""
    return f'<p class="note{" warning" if warning else ""}">{html.escape(text)}</p>\n'


def files(links: dict[str, str], command: str) -> str:
    """Links to files beside the page (text -> relative path), and the command that makes them again."""
    joined = ", ".join(f'<a href="{html.escape(path)}">{html.escape(text)}</a>' for text, path in links.items())
    words = " ".join(f'<span class="word">{html.escape(word)}</span>' for word in command.split())
    return f'<p class="note files">As a file: {joined}. Made by <code>{words}</code></p>\n'


def definitions(pairs: Iterable[tuple[str, str]], kind: str = "") -> str:
    """A list of names and values; of the kind `many` where they are short and stand two in a line."""
    inner = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in pairs)
    return f"<dl{f' class={kind}' if kind else ''}>{inner}</dl>\n"


def bullets(items: list[str], kind: str = "") -> str:
    """A list of sentences."""
    inner = "".join(f"<li>{html.escape(item)}</li>" for item in items)
    return f'<ul class="{kind}">{inner}</ul>\n'


def left_out(reasons: dict[str, str]) -> str:
    """One line with what is not on the page, each with its reason where the pointer rests; nothing where all is."""
    named = ", ".join(f'<span title="{html.escape(why)}">{html.escape(title)}</span>' for title, why in reasons.items())
    return f'<p class="note">Left out, as there is nothing to show: {named}.</p>\n' if reasons else ""


def folded(title: str, text: str) -> str:
    """Plain text that opens on a click."""
    return f"<details><summary>{html.escape(title)}</summary><pre>{html.escape(text)}</pre></details>\n"
