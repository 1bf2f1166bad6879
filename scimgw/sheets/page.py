"""A sheet as one HTML file that needs nothing else. Pure."""

from html import escape

from markdown_it import MarkdownIt

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "th,td{border:1px solid #c8c8c8;padding:.4rem .7rem;text-align:left;vertical-align:top}"
    "code{background:#f2f2f2;padding:.1rem .3rem;overflow-wrap:anywhere}"
    "li{margin:.5rem 0}"
)


def render_html(markdown: str, title: str) -> str:
    """Return a page. What is HTML in the Markdown is shown, not obeyed: names come from outside."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
