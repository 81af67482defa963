"""What `--help` shows: how a line is written, and every group with its choices, read from the names of the files."""

import textwrap
from pathlib import Path

TEMPLATE = """\
finetune_lab: find out whether a fine-tuning method really helped.

  python -m finetune_lab [group=choice …] [some.key=value …]
  python -m finetune_lab -m method=<one>,<other> seed=0,1,2 group=study  a sweep: each job in a process of its own
  python -m finetune_lab task=compare group=study                        what the runs of a group say, with intervals

The same line run again keeps what is done and goes on with what is not.

Groups and choices (conf/<group>/<choice>.yaml):
{groups}

Keys:
  --cfg job               print the whole composed config, and run nothing
  --cfg job -p method     print one part of it
  dry=true                print what would be kept or made, and make nothing
  method.max_steps=100    set a key; +key=value adds one, ~key takes one away

Flags:
  -h, --help     --version     -m, --multirun     -c, --cfg     -p, --package     --info     --hydra-help
  HYDRA_FULL_ERROR=1 before the line shows the traceback behind an error message"""


def usage(conf: Path) -> str:
    """Return the help text for the configs below `conf`."""
    found = groups(conf)
    wide = max(map(len, found), default=0) + 2
    indent = " " * (wide + 2)
    lines = [
        textwrap.fill(f"{group:{wide}}{', '.join(names)}", 110, initial_indent="  ", subsequent_indent=indent)
        for group, names in found.items()
    ]
    return TEMPLATE.format(groups="\n".join(lines))


def groups(conf: Path) -> dict[str, list[str]]:
    """Return every group below `conf` with the names of its choices, both in alphabetical order."""
    found: dict[str, list[str]] = {}
    for path in sorted(conf.rglob("*.yaml")):
        if path.parent != conf:
            found.setdefault(path.parent.relative_to(conf).as_posix(), []).append(path.stem)
    return found
