"""The HTML of e-mails: no image, no link, and nothing to be loaded."""

from typing import Final

from markupsafe import Markup, escape

from hsp_otp.domain.names import Language

# Mail programs that ignore the style sheet show the styles of the elements, which are light.
_PAGE: Final = Markup("""\
<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
@media (prefers-color-scheme: dark) {{
  .page {{ background: #18181b !important; }}
  .card {{ background: #27272a !important; color: #fafafa !important; }}
}}
</style>
</head>
<body class="page" style="margin: 0; padding: 24px 12px; background: #f4f4f5;">
<div class="card" style="max-width: 480px; margin: 0 auto; padding: 12px 24px; \
border-radius: 12px; background: #ffffff; color: #18181b; overflow-wrap: break-word; \
font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif;">
{paragraphs}
</div>
</body>
</html>
""")

_PARAGRAPH: Final = Markup('<p style="margin: 12px 0;">{}</p>')
_LINE_BREAK: Final = Markup("<br>\n")
_CODE: Final = Markup("<strong>{}</strong>")
_CODE_ALONE: Final = Markup(
    '<p style="margin: 20px 0; font: 700 30px/1.3 ui-monospace, Menlo, Consolas, monospace; '
    'letter-spacing: 0.12em;">{}</p>'
)


def as_html(text: str, code: str, language: Language, title: str) -> str:
    """
    A page with the paragraphs of *text*, which empty lines separate.

    Args:
        text: Contains the code once.
        code: Stands out, most of all in a paragraph of its own.
        language: The language of *text*.
        title: The subject.
    """
    paragraphs = Markup("\n").join(_paragraph(one, code) for one in text.split("\n\n"))
    return _PAGE.format(language=language, title=title, paragraphs=paragraphs)


def _paragraph(text: str, code: str) -> Markup:
    if text == code:
        return _CODE_ALONE.format(code)
    escaped = _LINE_BREAK.join(escape(line) for line in text.splitlines())
    return _PARAGRAPH.format(escaped.replace(code, _CODE.format(code)))
