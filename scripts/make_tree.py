"""Write docs/tree.md: every module of the package and every script, with the first line of its docstring.

python scripts/make_tree.py
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "tree.md"
HEAD = """# The tree, a line a file

Made by `python scripts/make_tree.py` from the first lines of the docstrings. `conf/<group>/<choice>.yaml` mirrors
`finetune_lab/<group>/`, `tests/` mirrors the package.
"""


def first_line(path: Path) -> str:
    """What a module says of itself; empty for one without a docstring."""
    told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return told.partition("\n\n")[0].replace("\n", " ")


def page() -> str:
    """The page as it should be now."""
    parts = [HEAD]
    folders = sorted({path.parent for place in ("finetune_lab", "scripts") for path in (ROOT / place).rglob("*.py")})
    for folder in folders:
        files = [path for path in sorted(folder.glob("*.py")) if first_line(path)]
        if files:
            rows = [f"| {path.name} | {first_line(path).replace('|', chr(92) + '|')} |" for path in files]
            parts.append(
                "\n".join([f"\n## {folder.relative_to(ROOT)}/\n", "| file | what it is |", "|---|---|", *rows])
            )
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE.relative_to(ROOT))
