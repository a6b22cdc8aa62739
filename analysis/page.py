"""One HTML page that needs nothing beside itself: text, tables and pictures, in light, in dark and on paper."""

import base64
import html

STYLE = """
:root{color-scheme:light dark;--ink:#1c1d1f;--soft:#5c6066;--line:#d9dce0;--ground:#fff;--tint:#f4f6f8;--accent:#0059a0}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e6e7e9;--soft:#a3a8ae;--line:#3a3e44;--ground:#16181b;
--tint:#1f2226;--accent:#7db8ec}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2.5rem 1.25rem 4rem;max-width:66rem;background:var(--ground);color:var(--ink);
font:16px/1.55 "Charter","Bitstream Charter","Georgia",serif;text-rendering:optimizeLegibility}
h1,h2,th,nav,.note,dt,figcaption,summary,code,td{font-family:system-ui,"Segoe UI","Helvetica Neue",sans-serif}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .35rem;font-weight:650}
h2{font-size:1.2rem;margin:2.6rem 0 .7rem;padding-top:.9rem;border-top:1px solid var(--line);font-weight:650}
p,ul,dl{max-width:46rem;margin:.5rem 0}
.question{font-size:1.15rem;color:var(--soft);font-style:italic}
.answer li{margin:.35rem 0}
.note,figcaption{font-size:.84rem;line-height:1.45;color:var(--soft);max-width:46rem}
.warning{border-left:3px solid #d55e00;padding:.2rem 0 .2rem .8rem}
nav{font-size:.84rem;margin:1.2rem 0}nav a{margin-right:1rem}
a{color:var(--accent);text-decoration-thickness:1px;text-underline-offset:2px}
.wide{overflow-x:auto;margin:.6rem 0}
table{border-collapse:collapse;font-size:.82rem;line-height:1.35;font-variant-numeric:tabular-nums}
th{text-align:left;font-weight:600;vertical-align:bottom;border-bottom:1.5px solid var(--ink)}
th,td{padding:.28rem .85rem .28rem 0}td{border-bottom:1px solid var(--line);vertical-align:top}
td.short{white-space:nowrap}tr.group td{border-top:1.5px solid var(--soft)}
figure{margin:1rem 0}figure img{width:100%;background:#fff;border:1px solid var(--line);border-radius:6px;padding:.5rem}
dl{display:grid;grid-template-columns:minmax(9rem,13rem) 1fr;gap:.15rem 1rem;font-size:.88rem;max-width:60rem}
dt{color:var(--soft);font-size:.84rem}dd{margin:0;overflow-wrap:anywhere}
pre{background:var(--tint);padding:.8rem 1rem;border-radius:6px;overflow-x:auto;font-size:.78rem;line-height:1.4}
summary{cursor:pointer;font-size:.88rem;color:var(--accent)}
@media print{body{max-width:none;padding:0;font-size:10.5pt}nav{display:none}figure,tr{break-inside:avoid}
h2{break-after:avoid}.wide{overflow:visible}}
"""


def document(title: str, sections: list[tuple[str, str]], head: str) -> str:
    """The whole document.

    Args:
        title: plain text.
        sections: (heading as plain text, body as HTML) in order.
        head: HTML below the title.
    """
    links = "".join(f'<a href="#{anchor(name)}">{html.escape(name)}</a> ' for name, _ in sections)
    body = "".join(
        f'<section id="{anchor(name)}"><h2>{html.escape(name)}</h2>\n{part}</section>\n' for name, part in sections
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style></head>\n'
        f"<body><h1>{html.escape(title)}</h1>\n{head}<nav>{links}</nav>\n{body}</body></html>\n"
    )


def anchor(name: str) -> str:
    """A heading as a link's target."""
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())


def picture(svg: bytes, caption: str, title: str) -> str:
    """An SVG picture carried inside the page."""
    data = base64.b64encode(svg).decode()
    return (
        f'<figure><img alt="{html.escape(title)}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>\n"
    )


def note(text: str, warning: bool = False) -> str:
    """A small-print paragraph."""
    return f'<p class="note{" warning" if warning else ""}">{html.escape(text)}</p>\n'


def files(links: dict[str, str]) -> str:
    """Links to files beside the page: text -> relative path."""
    joined = ", ".join(f'<a href="{html.escape(path)}">{html.escape(text)}</a>' for text, path in links.items())
    return f'<p class="note">As a file: {joined}</p>\n'


def definitions(pairs: list[tuple[str, str]]) -> str:
    """A list of names and values."""
    inner = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in pairs)
    return f"<dl>{inner}</dl>\n"


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
