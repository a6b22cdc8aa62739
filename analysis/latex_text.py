r"""Text as LaTeX sets it, whatever is in it: nothing that pdfLaTeX reads as a command or does not know is left.

Accents become commands and Greek letters mathematics. A character that no font of a plain document has is written as
its number, `U+4E2D`: a table with one strange name compiles all the same.
"""

import unicodedata

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "[": "{[}", "]": "{]}", "*": "{*}", '"': "''", "`": r"\textasciigrave{}",
    "±": r"$\pm$", "×": r"$\times$", "✓": r"$\checkmark$", "−": r"$-$", "–": "--", "—": "---", "→": r"$\to$",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "≤": r"$\leq$", "≥": r"$\geq$", "≠": r"$\neq$", "≈": r"$\approx$",
    "·": r"$\cdot$", "°": r"$^\circ$", "∞": r"$\infty$", "“": "``", "”": "''", "‘": "`", "’": "'", "…": r"\ldots{}",
    "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}",
    "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}", "§": r"\S{}", "\n": " ", "\t": " ", "\u00a0": "~", "µ": r"$\mu$",
}  # fmt: skip
"""By character. The bracket and the star could follow a line's end, which reads them as its own."""

ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u030a": "r ", "\u0327": "c ",
    "\u030c": "v ", "\u0304": "=", "\u0307": ".", "\u030b": "H ", "\u0306": "u ", "\u0323": "d ", "\u0331": "b ",
}  # fmt: skip
"""By combining character: the command of an accent."""

NO_COMMAND = {"OMICRON": "o"}
LATIN_CAPITALS = {
    "ALPHA": "A", "BETA": "B", "EPSILON": "E", "ZETA": "Z", "ETA": "H", "IOTA": "I", "KAPPA": "K", "MU": "M", "NU": "N",
    "OMICRON": "O", "RHO": "P", "TAU": "T", "CHI": "X",
}  # fmt: skip
"""Greek letters that mathematics has no command for, as they look like Latin ones."""


def latex(text: str) -> str:
    """The text with every character as plain LaTeX sets it."""
    return "".join(map(_character, unicodedata.normalize("NFC", text)))


def _character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if " " <= character <= "\u007e":
        return character
    return _greek(character) or _accented(character) or rf"\texttt{{U+{ord(character):04X}}}"


def _greek(character: str) -> str:
    if not "Α" <= character <= "ω":
        return ""
    match unicodedata.name(character, "").split():
        case ["GREEK", "SMALL", "LETTER", name]:
            command = NO_COMMAND.get(name) or ("\\lambda" if name == "LAMDA" else f"\\{name.lower()}")
        case ["GREEK", "CAPITAL", "LETTER", name]:
            command = LATIN_CAPITALS.get(name) or ("\\Lambda" if name == "LAMDA" else f"\\{name.capitalize()}")
        case _:
            return ""
    return f"${command}$"


def _accented(character: str) -> str:
    parts = unicodedata.normalize("NFD", character)
    letter, mark = parts[:1], parts[1:]
    known = mark in ACCENTS and letter.isascii() and letter.isalpha()
    return rf"\{ACCENTS[mark]}{{{letter}}}" if known else ""
