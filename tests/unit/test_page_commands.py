"""The documents: commands, options and links in them exist, and the words are plain."""

import ast
import functools
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# docs/data.md has no commands and thousands of lines.
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted({*ROOT.glob("docs/*.md")} - {ROOT / "docs/data.md"}),
    *(ROOT / folder / "README.md" for folder in ("findings", "templates/terraform")),
    *(ROOT / folder / "README.md" for folder in ("local/samples", "tests/fixtures")),
]
GENERATED = [ROOT / "docs" / name for name in ("cost.md", "data.md")]
# Readers whose first language is not English stop at these.
HARD_WORDS = re.compile(
    r"\b(for ever|anew|be had|mend\w*|whoever|so (many|long) as|in hand|told|tells|"
    r"of its own accord|without a word|at hand|thereof|lest|be it|of which none|"
    r"(?<!there )is no (?!longer)\w+|(?<!there )are no (?!longer)\w+)\b",
    re.IGNORECASE,
)
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# Packages whose first argument is a command with options of its own.
COMMANDS = re.compile(r"(analysis|bridge|dashboard|sql|local|cloud)( [a-z]\w*)?$")
COMMAND = re.compile(r"(?:^|&& |\$\()((?:\.venv/bin/)?python -m [^#\n]+|make [^#\n]+)")


def code(text):
    """The lines of all code blocks, with continued ones joined."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return "\n".join(blocks).replace("\\\n", " ").splitlines()


def commands(page):
    found = [COMMAND.findall(line) for line in code(page.read_text(encoding="utf-8"))]
    return [text.rstrip(") ") for texts in found for text in texts]


def words(text):
    return shlex.split(text.split("&&")[0])


def commands_of_pages(prefix):
    """Commands of all pages that begin so, each once, with the page's path."""
    return sorted(
        {
            (str(page.relative_to(ROOT)), command)
            for page in PAGES
            for command in commands(page)
            if (command.startswith("make")) == (prefix == "make")
        }
    )


@functools.cache
def help_of(arguments):
    done = subprocess.run(
        [sys.executable, "-m", *arguments, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def headings(text):
    """The anchors of a page, as GitHub makes them."""
    outside = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", outside, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_commands_are_found():
    assert ("README.md", "make run-local") in commands_of_pages("make")
    assert len(commands_of_pages("python")) > 20


@pytest.mark.parametrize(("page", "command"), commands_of_pages("make"))
def test_a_make_target_and_its_variables_exist(page, command):
    given = [word for word in words(command)[1:] if not word.startswith("-")]
    variables = [word.split("=")[0] for word in given if "=" in word]
    targets = [word for word in given if "=" not in word]
    assert targets, "a command that makes nothing"
    for target in targets:
        assert re.search(rf"^{target}:.* ## ", MAKEFILE, re.MULTILINE)
        help_lines = re.findall(rf"^{target}: #: (.+)$", MAKEFILE, re.MULTILINE)
        for name in variables:
            assert re.search(rf"\b{name}=", " ".join(help_lines)), name


@pytest.mark.parametrize(("page", "command"), commands_of_pages("python"))
def test_a_module_its_command_and_its_options_exist(page, command):
    arguments = words(command)
    arguments = arguments[arguments.index("-m") + 1 :]
    module = arguments[:2] if COMMANDS.match(" ".join(arguments[:2])) else arguments[:1]
    shown = help_of(tuple(module))
    for option in (word for word in arguments if word.startswith("--")):
        name = option.split("=")[0]
        assert re.search(rf"{name}(?![\w-])", shown), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        if anchor:
            assert anchor in headings(linked.read_text(encoding="utf-8")), target


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page not in GENERATED],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_sql_and_commands_mean_themselves_in_a_shell(page):
    """A query is pasted into `make query SQL="…"`: a backtick there runs a command."""
    text = page.read_text(encoding="utf-8")
    statements = re.findall(r"^```sql\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    # This name has a hyphen; the view is not on this machine, and the console has it.
    pasted = [sql for sql in statements if "`region-" not in sql]
    for one in [*pasted, *commands(page)]:
        outside = re.sub(r"'[^']*'", "", one)
        assert "`" not in outside, one
    for sql in pasted:
        assert not re.search(r'["$\\]', sql), sql


def test_the_readme_is_a_front_door():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_every_page_of_docs_is_in_their_index():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    linked = {target.partition("#")[0] for target in re.findall(r"\]\((\S+)\)", index)}
    names = {page.name for page in ROOT.glob("docs/*.md")} - {"README.md"}
    assert names <= linked


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page not in GENERATED],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_words_are_plain(page):
    text = page.read_text(encoding="utf-8")
    outside = re.sub(r"^```.*?^```|`[^`]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    assert [found[0] for found in HARD_WORDS.finditer(outside)] == []


def shown_texts(path):
    """What a module may show: its strings, but not its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        if node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings:
            yield node.value


@pytest.mark.parametrize(
    "package",
    [
        *("analysis", "benchmarks", "bridge", "cloud", "command", "dashboard"),
        *("gb_iris", "local", "pipeline", "sql"),
    ],
)
def test_words_of_programs_are_plain(package):
    hard = {
        (str(path.relative_to(ROOT)), found[0])
        for path in ROOT.glob(f"{package}/**/*.py")
        for text in shown_texts(path)
        for found in HARD_WORDS.finditer(text)
    }
    assert hard == set()


def test_words_of_make_help_are_plain():
    lines = re.findall(r"^[a-z-]+:.* (?:##|#:) (.+)$", MAKEFILE, re.MULTILINE)
    assert len(lines) > 50
    assert [line for line in lines if HARD_WORDS.search(line)] == []


def test_every_symptom_is_in_the_table_on_top():
    table, _, rest = OPERATIONS.partition("\n## ")
    linked = set(re.findall(r"\]\(#([^)]+)\) \|$", table, re.MULTILINE))
    assert linked == headings("## " + rest)


def test_every_section_says_what_it_is_and_when_it_is_over():
    for section in OPERATIONS.split("\n## ")[1:]:
        title = section.splitlines()[0]
        assert "**It is over**" in section, title
        assert "```" in section, title


def test_what_the_bridge_logs_is_quoted_as_it_is():
    quoted = set(re.findall(r'`"message": "([^"]+)"`', OPERATIONS))
    source = "".join(path.read_text() for path in ROOT.glob("bridge/*.py"))
    assert quoted
    for text in quoted:
        assert f'"{text}"' in source, text
