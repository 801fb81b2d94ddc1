"""Blocks of code in Markdown pages and manuals, and what a reader's terminal would show of them."""
import os
import re

from tap import Failed

NOTE = re.compile(r"<!-- docs: (.*?) -->|\.\\\" docs: (.*)")
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Block:
    def __init__(self, page, line, language, lines, notes):
        self.page, self.line, self.language, self.notes = page, line, language, notes
        self.text = "\n".join(lines) + "\n"

    def __str__(self):
        return f"{self.page}:{self.line}"

    def note(self, word):
        """What stands behind this word in a note, or None."""
        for note in self.notes:
            if note == word or note.startswith(word + " "):
                return note[len(word):].strip()
        return None

    @property
    def reason(self):
        """Why it is not run."""
        return self.note("not run:")

    @property
    def commands(self):
        """Of a console block: each command with the lines that it prints."""
        found = []
        for line in self.text.split("\n")[:-1]:
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif not found:
                raise Failed(f"{self}: output before the first '$ '")
            else:
                found[-1][1].append(line)
        return found


def of_markdown(page, text):
    blocks, notes, inside = [], [], None
    for number, line in enumerate(text.split("\n"), 1):
        note = NOTE.fullmatch(line.strip())
        if inside is None and note:
            notes.append(note[1])
        elif inside is None and line.lstrip().startswith("```"):
            inside = (number, line.strip()[3:], [])
        elif inside is not None and line.strip() == "```":
            blocks.append(Block(page, *inside, notes))
            inside, notes = None, []
        elif inside is not None:
            inside[2].append(line)
        elif line.strip() and notes:
            raise Failed(f"{page}:{number}: a note for no block: {notes}")
    return blocks


def of_manual(page, text):
    """The literal blocks of the section EXAMPLES."""
    blocks, notes, inside, section = [], [], None, ""
    for number, line in enumerate(text.split("\n"), 1):
        note = NOTE.fullmatch(line)
        if line.startswith(".Sh "):
            section = line[4:]
        elif note:
            notes.append(note[2])
        elif line.startswith(".Bd -literal") and section == "EXAMPLES":
            inside = (number, None, [])
        elif inside is not None and line == ".Ed":
            language = "json" if inside[2][0] == "{" else "sh"
            blocks.append(Block(page, inside[0], language, inside[2], notes))
            inside, notes = None, []
        elif inside is not None:
            inside[2].append(line.replace("\\e", "\\").replace("\\-", "-").removeprefix("\\&"))
    return blocks


def read(top, page):
    with open(os.path.join(top, page), encoding="utf-8") as f:
        return (of_markdown if page.endswith(".md") else of_manual)(page, f.read())


def plain(output):
    """As it can be read: without colours and without blanks at the ends of lines."""
    lines = COLOUR.sub("", output.replace("\r\n", "\n")).split("\n")
    return [line.rstrip() for line in lines]


def matches(printed, expected):
    """Is that what the page shows? There "..." stands for any text, and alone on a line for any lines."""
    pattern = "".join(r"(?:.*\n)*?" if line.strip() == "..." else
                      ".*?".join(re.escape(part) for part in line.rstrip().split("...")) + "\n" for line in expected)
    text = "\n".join(printed).rstrip("\n") + "\n"
    return re.fullmatch(pattern, text) is not None
