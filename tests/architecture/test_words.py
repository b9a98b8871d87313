"""Comments, docstrings and names of the product, and names of tests, keep to docs/glossary.md.

They use terms of the field, and no personification.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize

from tests.support.sources import ROOT, SOURCES, is_ours, name_of, text_of

REFUSED = re.compile(
    r"\b(nobody|whoever|somebody|anybody|graves?|bur(?:y|ied|ies)|purses?|journey|chores?|rehears\w*|upkeep"
    r"|the dead|the living)\b",
    re.IGNORECASE,
)
# As a word of a name: `not_told` has two. Stored names, such as the fields of records, have none of them.
REFUSED_IN_NAMES = re.compile(
    r"nobody|whoever|somebody|anybody|everybody|who|whose|whom|told|tells?|untold|said|says?|heard|hears?|unheard"
    r"|asker|journey|purses?|graves?|bury|buried|heir|deaf|wish|chores?|rehears\w*|upkeep|mine|theirs"
)
NAMED = re.compile(rf"(?<![a-z])({REFUSED_IN_NAMES.pattern})(?![a-z])", re.IGNORECASE)
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
REFUSED_IN_TESTS = re.compile(rf"{REFUSED.pattern}|\b(booked|strangers?|in any weather)\b")
TEST = re.compile(r"^ *(?:async )?def test_(\w+)", re.MULTILINE)
LUA = sorted((ROOT / "budgets/redis/lua").rglob("*.lua"))
REFUSED_IN_TEXTS = re.compile(r"\b(nobody|whoever|somebody|anybody|everybody)\b", re.IGNORECASE)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
TEXTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "templates").rglob("*.html")),
]


def prose_of(source: str) -> list[tuple[int, str]]:
    """Return the comments and docstrings of a Python file, with their line numbers."""
    found = [
        (token.start[0], token.string)
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text:
                found.append((node.body[0].lineno, text))
    return found


def refused(source: str) -> list[tuple[int, str]]:
    """Return the words that the glossary replaces, with their line numbers."""
    if not REFUSED.search(source):  # most files: nothing is taken apart
        return []
    return [(line, word) for line, text in prose_of(source) for word in REFUSED.findall(text)]


def names_of(source: str) -> list[tuple[int, str]]:
    """Return the names that a file gives: to functions, classes, parameters, attributes and variables."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.append((node.lineno, node.name))
        elif isinstance(node, ast.arg):
            found.append((node.lineno, node.arg))
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.append((node.lineno, node.attr))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.append((node.lineno, node.id))
    return found


def refused_names(source: str) -> list[tuple[int, str]]:
    if not NAMED.search(source):  # most files: nothing is taken apart
        return []
    return [
        (line, name)
        for line, name in names_of(source)
        if any(REFUSED_IN_NAMES.fullmatch(word.lower()) for word in WORD.findall(name))
    ]


def test_comments_keep_to_the_glossary():
    found = {name_of(path): refused(text_of(path)) for path in SOURCES if is_ours(path)}
    assert {name: words for name, words in found.items() if words} == {}


def test_scripts_keep_to_the_glossary():
    comments = {
        path.name: re.findall(r"--\[\[.*?\]\]|--[^\n]*", path.read_text("utf-8"), re.DOTALL) for path in LUA
    }
    assert {name: text for name, texts in comments.items() for text in texts if REFUSED.search(text)} == {}


def refused_in_text(text: str) -> list[str]:
    """Return the words that documents and pages do not use. Code and the glossary's table of old words are left out."""
    return REFUSED_IN_TEXTS.findall(CODE.sub("", text.partition("\n## Say, and do not say\n")[0]))


def test_documents_and_pages_keep_to_the_glossary():
    found = {name_of(path): refused_in_text(text_of(path)) for path in TEXTS}
    assert {name: words for name, words in found.items() if words} == {}


def test_a_refused_word_in_a_document_is_found_outside_of_code_only():
    text = "Nobody reads\n```\nwhoever\n```\nand `somebody`.\n## Say, and do not say\nanybody\n"
    assert refused_in_text(text) == ["Nobody"]


def test_modules_keep_to_the_glossary():
    names = [path.stem.replace("_", " ") for path in SOURCES if is_ours(path)]
    assert [name for name in names if REFUSED.search(name)] == []


def badly_named(source: str) -> list[str]:
    names = [name.replace("_", " ") for name in TEST.findall(source)]
    return [name for name in names if REFUSED_IN_TESTS.search(name)]


def test_names_of_tests_keep_to_the_glossary():
    found = {name_of(path): badly_named(text_of(path)) for path in SOURCES if not is_ours(path)}
    assert {name: names for name, names in found.items() if names} == {}


def test_a_refused_word_in_the_name_of_a_test_is_found():
    source = "async def test_a_call_is_booked():\n    nobody()\nclass Any:\n    def test_nobody_is_left(self): ...\n"
    assert badly_named(source) == ["a call is booked", "nobody is left"]


def test_names_keep_to_the_glossary():
    found = {name_of(path): refused_names(text_of(path)) for path in SOURCES if is_ours(path)}
    assert {name: names for name, names in found.items() if names} == {}


def test_a_refused_word_is_found_in_every_kind_of_name_and_only_as_a_whole_word():
    source = "class Purse:\n    whole: int\n    def _hear(self, who):\n        self.not_told = wish = who\n"
    assert [name for _, name in refused_names(source)] == ["Purse", "_hear", "who", "not_told", "wish"]


def test_a_refused_word_is_found_in_comments_and_docstrings_and_nowhere_else():
    source = 'def f():\n    """Told by nobody."""\n    x = "whoever"  # in the grave\n    return x\n'
    assert sorted(refused(source)) == [(2, "nobody"), (3, "grave")]
