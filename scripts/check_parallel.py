"""Two, then four processes with the same line on one outputs folder: every piece of work is made once, none fails.

python scripts/check_parallel.py
"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
LINE = [
    "experiment=demo",
    "tracker=none",
    "data.max_rows=120",
    "method.max_steps=6",
    "method.evaluate_every=3",
    "runtime.threads=1",
    "decoding.max_new_tokens=24",
]


def together(outputs: Path, num_processes: int) -> Counter[str]:
    """Run the line in so many processes at once; how often each folder was made. Raises when one of them fails."""
    command = [sys.executable, "-m", "finetune_lab", *LINE, f"outputs={outputs}"]
    started = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(num_processes)
    ]
    made: Counter[str] = Counter()
    for process in started:
        told, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"a process failed with {process.returncode}:\n{told}")
        made.update(re.findall(r"^making +(\S+)", told, flags=re.MULTILINE))
    return made


def main() -> None:
    """Print a line for each number of processes; exit 1 when something was made twice."""
    for num_processes in (2, 4):
        with TemporaryDirectory() as folder:
            made = together(Path(folder), num_processes)
        twice = [name for name, count in made.items() if count > 1]
        print(f"{num_processes} processes: {len(made)} pieces of work, {len(twice)} made more than once, no error")
        if twice or not made:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
