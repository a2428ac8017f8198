"""What MkDocs is told beside its pages: one page for each kind of plugin, made from what the package says of it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

HOME = Path(__file__).parents[1]
sys.path[:0] = [str(HOME), str(HOME / "src")]

from expzoo.cli import scaffold  # noqa: E402 - found by the line above
from expzoo.config.registry import FOLDERS, LOOKED_UP, OF_HYDRA, SHARED, available, chosen_by, declared  # noqa: E402

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_FETCHED, _OWN = "https://unpkg.com/iframe-worker/shim", "assets/iframe-worker.js"
_INCLUDE = re.compile(r'^--8<-- "([\w.]+)(?::(\w+))?"$', re.MULTILINE)
PROTOCOLS = {
    "dataset": ("expzoo.spec.contracts.Dataset", "expzoo.spec.contracts.Stream"),
    "model": ("expzoo.spec.contracts.Model",),
    "optimizer": ("expzoo.spec.contracts.Optimizer",),
    "schedule": ("expzoo.spec.contracts.Schedule",),
    "loss": ("expzoo.spec.contracts.Loss",),
    "stop": ("expzoo.spec.contracts.Stop",),
    "constraint": ("expzoo.spec.contracts.Constraint",),
    "parametrisation": ("expzoo.spec.contracts.Parametrisation",),
    "metric": ("expzoo.components.metrics.Metric",),
    "probe": ("expzoo.components.probes.Probe",),
    "trainer": ("expzoo.lab.open.Trainer",),
    "analysis": ("expzoo.analysis.contract.Analysis",),
}
"""Kind -> what says what it must be; loggers, launchers and sweepers are told by their examples."""


def plugin_page(kind: str) -> str:
    """The page of a kind: how one is made and used, a complete example, what it must be, and those that there are."""
    folder, name = FOLDERS[kind], f"my_{kind}"
    used = f"`{chosen_by(kind)}={name}`"
    if kind in LOOKED_UP:
        used = f"by its name, `{name}`, in what an analysis or a claim measures"
    elif kind in SHARED:
        used = f"`{chosen_by(kind)}=[{name}]`, its options are `{kind}.{name}.*`"
    elif kind in OF_HYDRA:
        used = f"`-m {chosen_by(kind)}={name}`"
    lines = [
        f"# {kind.capitalize()}",
        "",
        f"A {kind} is one file in `plugins/{folder}/` with one class marked `@register`. "
        f"`expzoo new plugin {kind} {name}` writes the file below, which works as it is; `expzoo show {name}` says its "
        f"options. It is chosen {used}.",
        "",
        "## A complete example",
        "",
        "```python",
        scaffold.text(kind, name).rstrip(),
        "```",
        "",
        f'`expzoo.testing.check_plugin("{kind}", "{name}")` in a test of yours holds it to what its kind must be.',
        "",
    ]
    if kind in PROTOCOLS:
        lines += ["## What it must be", "", *(f"::: {path}\n" for path in PROTOCOLS[kind])]
    lines += ["## Those that there are", "", "| name | what it is |", "|---|---|"]
    lines += [f"| `{one}` | {declared(kind, one).summary.replace('|', ' ')} |" for one in available(kind)]
    return "\n".join([*lines, ""])


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of every kind where the navigation names them."""
    pages = [{kind.capitalize(): f"plugins/{kind}.md"} for kind in FOLDERS]
    nav: list[Any] = config.nav or []
    config.nav = [{"Write a plugin": pages} if entry == {"Write a plugin": "PLUGINS"} else entry for entry in nav]
    return config


def included(markdown: str) -> str:
    """A page with what it takes from files of the repository, `--8<-- "README.md:claim"`, and links of the site.

    A part of a file stands between comments, `[start:claim]` and `[end:claim]`. ValueError if there is none.
    """

    def content(found: re.Match[str]) -> str:
        text = (HOME / found[1]).read_text(encoding="utf-8")
        if found[2]:
            part = re.search(rf"<!-- \[start:{found[2]}\] -->\n(.*?)<!-- \[end:{found[2]}\] -->", text, re.DOTALL)
            if part is None:
                raise ValueError(f"{found[1]} has no part {found[2]}")
            text = part[1]
        return text

    return re.sub(r"\]\(docs/(\w+)\.md", r"](reference/\1.md", _INCLUDE.sub(content, markdown))


def on_page_markdown(markdown: str, **_: object) -> str:
    """Fill in what a page includes."""
    return included(markdown)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of every kind, and the tables that are made from the code."""
    from mkdocs.structure.files import File

    for kind in FOLDERS:
        files.append(File.generated(config, f"plugins/{kind}.md", content=plugin_page(kind)))
    for path in sorted((HOME / "docs").glob("*.md")):
        files.append(File.generated(config, f"reference/{path.name}", content=path.read_text(encoding="utf-8")))
    return files


def on_post_page(output: str, page: Page, **_: object) -> str:
    """Take from the site itself what its search would fetch elsewhere when it is opened from a folder."""
    return output.replace(_FETCHED, "../" * page.url.count("/") + _OWN)


def on_post_template(output_content: str, **_: object) -> str:
    """The same for pages such as 404.html."""
    return output_content.replace(_FETCHED, _OWN)


def on_post_build(config: MkDocsConfig) -> None:
    """Take the gallery along, if one was made."""
    import shutil

    for folder in (HOME / "outputs" / "gallery", HOME / "docs" / "gallery"):
        if (folder / "index.html").is_file():
            shutil.copytree(folder, Path(config.site_dir) / "gallery", dirs_exist_ok=True)
            return
