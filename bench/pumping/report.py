"""What plays came to: rows, a table and a picture."""

# ruff: noqa: INP001 - part of a script

from collections.abc import Mapping
from typing import Any, Final

from bench.pumping.play import Result, dollars

ROWS: Final = {
    "attacker_dollars": "attacker, $ in 24 h",
    "all_dollars": "everything, $ in 24 h",
    "refused_percent": "refused, %",
    "refused_elsewhere_percent": "of them elsewhere, %",
    "delayed_percent": "delayed, %",
    "worked_percent": "work, %",
}

CHARTS: Final = (
    ("attacker_dollars", "Messages of the attacker in 24 h, dollars at most", 100),
    ("refused_percent", "People refused, percent", 2),
    ("worked_percent", "People asked for work, percent", 5),
)
"""The member that each chart shows, its title, and where bars are cut off."""


def row(result: Result) -> dict[str, Any]:
    """What is kept of a result. Money is the most in any 24 h."""
    people = max(1, result.people)
    return {
        "people": result.people,
        "attacker_dollars": dollars(result.attacker.most),
        "all_dollars": dollars(result.everything.most),
        "region_dollars": {name: dollars(one.most) for name, one in result.regions.items()},
        "refused_percent": _percent(sum(result.refused.values()), people),
        "refused_unsent_percent": _percent(result.refused_unsent, people),
        "refused_elsewhere_percent": _percent(result.refused_elsewhere, people),
        "refused_by": dict(result.refused.most_common()),
        "delayed_percent": _percent(result.delayed, people),
        "worked_percent": _percent(result.worked, people),
        "attack_asked": result.attack_asked,
        "attack_sent": result.attack_sent,
        "attack_work_seconds": result.attack_work_seconds,
        "verdicts": result.verdicts,
        "not_reproduced": result.not_reproduced,
    }


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """*rows* in Markdown."""
    lines = [f"| scene | {' | '.join(ROWS.values())} |", "|---" * (len(ROWS) + 1) + "|"]
    for name, one in rows.items():
        cells = (f"{one[key]:,.2f}".removesuffix(".00") for key in ROWS)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def picture(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Bar charts of the attacker's dollars and of people refused; a bar that is cut off is pale."""
    drawn, top = list[str](), 10
    for key, title, most in CHARTS:
        shown = {name: one[key] for name, one in rows.items() if one[key]}
        drawn.append(f'<text x="10" y="{top + 14}" class="title">{title}</text>')
        top += 22
        for name, amount in shown.items():
            width = max(1, round(330 * min(1, amount / most)))
            kind = "cut" if amount > most else "bar"
            drawn += (
                f'<text x="330" y="{top + 13}" class="name">{name}</text>',
                f'<rect x="340" y="{top}" width="{width}" height="16" class="{kind}"/>',
                f'<text x="{346 + width}" y="{top + 13}">{amount:,.2f}</text>',
            )
            top += 20
        top += 8
    style = (
        "text{font:12px sans-serif;fill:#555}.title{font-weight:bold}.name{text-anchor:end}"
        ".bar{fill:#2563eb}.cut{fill:#9ca3af}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{top}" role="img" '
        f'aria-label="What attackers get and whom the guard refuses"><style>{style}</style>\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 4)
