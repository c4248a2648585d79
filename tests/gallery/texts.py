"""The texts that break layouts: long, marked up, from right to left, in other scripts, without any letter."""

from __future__ import annotations

PEOPLE: dict[str, tuple[str, str]] = {
    "two words": ("Ann Miller", "ann.miller@example.com"),
    "no name": ("", "ben.okafor@example.com"),
    "one word": ("Cher", "cher@example.com"),
    "marks on letters": ("E\u0301milie Žižková", "emilie@example.com"),
    "Greek": ("Ελένη Παπαδοπούλου", "eleni@example.gr"),
    "Chinese": ("王小明", "wang@example.cn"),
    "Korean": ("김 민수", "kim@example.kr"),
    "Arabic": ("ليلى حداد", "layla@example.ae"),
    "Hebrew": ("נועה לוי", "noa@example.il"),
    "Hindi": ("प्रिया शर्मा", "priya@example.in"),
    "markup": ('<b onclick="alert(1)">**Eve** :red[x] [y](z)</b>', "eve@example.com"),
    "no letters": ("🦊 --", "123@example.com"),
    "one endless word": ("Wolfeschlegelsteinhausenbergerdorff" * 4, "w" * 64 + "@" + "long-domain." * 8 + "example"),
    "many words": (
        "Pablo Diego José Francisco de Paula Juan Nepomuceno María de los Remedios " * 3,
        "pablo@example.es",
    ),
}
"""Names and addresses of people, by what is hard about them."""

TEXTS: dict[str, str] = {
    "short": "Nothing yet",
    "markup": "<script>alert(1)</script> **bold** :red[red] [link](https://example.com) $x^2$ `code` # head",
    "endless word": "Donaudampfschifffahrtsgesellschaftskapitän" * 6,
    "right to left": "لا توجد أسئلة في هذه الفترة، وكل سؤال يُحسب هنا مع تكلفته.",
    "Chinese": "这段时间没有使用任何内容。每个提出的问题都会在此处计算，并附上其费用。",
    "many words": "The quick brown fox jumps over the lazy dog and goes on to the next field. " * 6,
}
"""Sentences, by what is hard about them."""
