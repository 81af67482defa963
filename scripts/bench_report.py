"""How long the report of many runs takes, how large it is, and how soon a browser shows it.

python scripts/bench_report.py [--runs 200] [--samples 100]

The runs are made up (scripts/report_outputs.py), the report is made by the command line in a process of its own on one
thread: wall and processor seconds with all imports, and whether torch was loaded. First paint is that of Chromium
without a window, where there is one; the bytes are told with and without the samples.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]  # a checkout need not be installed

TELL = (
    "import sys; from finetune_lab.__main__ import main; sys.argv[0] = 'finetune_lab'; main(); "
    "print(*sorted({'torch', 'transformers', 'datasets', 'pandas'} & {*sys.modules}), file=sys.stderr)"
)


def main() -> None:
    options = _options()
    import report_outputs

    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder) / "outputs"
        report_outputs.fill(outputs, report_outputs.many(options.runs), num_samples=options.samples).close()
        found = {"runs": options.runs, **_made(outputs)}
        path = outputs / "reports" / report_outputs.GROUP / "report.html"
        print(json.dumps(found | _sizes(path) | {"first_paint_ms": _first_paint(path, options.times)}, indent=1))
        if options.keep:
            shutil.copy(path, options.keep)


def _made(outputs: Path) -> dict[str, Any]:
    line = ["task=report", "group=study", f"outputs={outputs}", "tracker=none"]
    own = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, "-c", TELL, *line], capture_output=True, text=True, env=own)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    heavy = done.stderr.splitlines()[-1:] if done.stderr.strip() else []
    return {"wall_seconds": round(wall, 1), "processor_seconds": round(spent, 1), "heavy": heavy}


def _sizes(path: Path) -> dict[str, float]:
    text = path.read_text(encoding="utf-8")
    samples = re.search(r'id="report-samples">(.*?)</script>', text, re.DOTALL)
    whole, apart = path.stat().st_size, len((samples.group(1) if samples else "").encode())
    return {"megabytes": round(whole / 1e6, 2), "megabytes_beside_samples": round((whole - apart) / 1e6, 2)}


def _first_paint(path: Path, times: int) -> list[float] | None:
    """Milliseconds from the start of the navigation, each in a browser of its own; None without a browser."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    try:
        from selenium import webdriver
    except ImportError:
        return None
    if not (program and driver):
        return None
    found = []
    for _ in range(times):
        options = webdriver.ChromeOptions()
        options.binary_location = program
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
            options.add_argument(flag)
        opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            opened.get(path.as_uri())
            ask = "return performance.getEntriesByName('first-contentful-paint').map((one) => one.startTime)"
            for _ in range(50):  # the entry is written a moment after the page is there
                if painted := opened.execute_script(ask):
                    found.append(round(painted[0]))
                    break
                time.sleep(0.1)
        finally:
            opened.quit()
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--times", type=int, default=3, help="browsers that are opened")
    parser.add_argument("--keep", type=Path, help="where to copy the report to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
