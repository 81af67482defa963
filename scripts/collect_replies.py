"""Collect the replies to posts, through the X API v2 or an actor of Apify; first say what it will bring and cost.

Nothing is spent before --yes: without it a line only counts and projects. The key is read from the environment
variable that --key-from names, and is stored nowhere. A collection that was stopped or killed goes on by the same line.

    python scripts/collect_replies.py probe x --conversation 123 --least-likes 50 --usd-per-post 0.005 --spend-at-most 1
    python scripts/collect_replies.py collect x --conversation 123 --conversation 456 --out replies.jsonl \\
        --usd-per-post 0.005 --spend-at-most 5 --yes
    python scripts/collect_replies.py collect apify --actor NAME --input input.json --conversation 123 …
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from collecting import apify, x_api  # noqa: E402
from collecting.ledger import Ledger  # noqa: E402
from collecting.probe import Probe, judged  # noqa: E402

from finetune_lab.errors import LabError, WorldError  # noqa: E402

X_URL, APIFY_URL = "https://api.x.com", "https://api.apify.com"
X_KEY, APIFY_KEY = "X_BEARER_TOKEN", "APIFY_TOKEN"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; 2 with a sentence where something has to be mended, paid for or waited for."""
    try:
        options = _parsed(arguments)
        (_probe if options.what == "probe" else _collect)(options)
    except LabError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same line goes on from here", file=sys.stderr)
        return 130
    return 0


def _query(conversation: str, options: argparse.Namespace, *, operator: bool) -> str:
    words = [f"conversation_id:{conversation}"]
    if options.service == "x":
        words.append("is:reply")
    if operator:
        words.append(options.operator.replace("{n}", str(options.least_likes)))
    return " ".join(words)


def _probe(options: argparse.Namespace) -> None:
    ledger = Ledger(options.out, limit_usd=options.spend_at_most)
    conversation = options.conversation[0]
    most = 2 * options.sample * options.usd_per_post
    print(f"the probe reads {2 * options.sample} posts at most, for {most:.2f} USD at most")
    if not options.yes:
        if options.service == "x":
            api = _x(options, ledger)
            total = api.num_posts(_query(conversation, options, operator=False))
            print(f"{total} replies are there; all of them would cost {total * options.usd_per_post:.2f} USD")
        print("nothing was spent; add --yes")
        return
    found = (_probe_x if options.service == "x" else _probe_apify)(options, ledger, conversation)
    print("\n".join(found.lines(options.least_likes)))
    print(f"spent: {ledger.state.spent_usd + ledger.state.reserved_usd:.4f} USD")


def _probe_x(options: argparse.Namespace, ledger: Ledger, conversation: str) -> Probe:
    api = _x(options, ledger)
    plain, narrow = (_query(conversation, options, operator=operator) for operator in (False, True))
    total = api.num_posts(plain)

    def sampled(query: str) -> list[int]:
        pages = list(api.pages(query, token=None, most_posts=options.sample))
        return [x_api.likes(post) for page in pages for post in page.posts]

    without = sampled(plain)
    try:
        filtered: list[int] | None = sampled(narrow)
    except x_api.RefusedError:
        filtered = None
    limits = {"least_likes": options.least_likes, "usd_per_post": options.usd_per_post}
    return judged(without, filtered, num_replies=total, **limits)


def _probe_apify(options: argparse.Namespace, ledger: Ledger, conversation: str) -> Probe:
    api = _apify(options, ledger)
    found = []
    for operator in (False, True):
        query = _query(conversation, options, operator=operator)
        pages = api.items(f"probe {query}", query, most_items=options.sample)
        items = [item for page, _, _ in pages for item in page]
        ledger.settle(options.sample * options.usd_per_post, len(items) * options.usd_per_post)
        found.append([apify.likes(item) for item in items])
    limits = {"least_likes": options.least_likes, "usd_per_post": options.usd_per_post}
    return judged(found[0], found[1], num_replies=len(found[0]), **limits)


def _collect(options: argparse.Namespace) -> None:
    ledger = Ledger(options.out, limit_usd=options.spend_at_most)
    queries = {name: _query(name, options, operator=options.least_likes > 0) for name in options.conversation}
    waiting = {name: query for name, query in queries.items() if name not in ledger.state.done}
    print(f"{len(queries) - len(waiting)} of {len(queries)} conversations are done, {ledger.state.num_rows} replies")
    if options.service == "x":
        api = _x(options, ledger)
        total = sum(api.num_posts(query) for query in waiting.values())
    else:
        total = options.most_items * len(waiting)
    cost = f"{total * options.usd_per_post:.2f} USD"
    print(f"projected: at most {total} replies for {cost}; limit {options.spend_at_most:g} USD")
    if not options.yes:
        print("nothing was spent; add --yes")
        return
    for name, query in waiting.items():
        if options.service == "x":
            x_api.collect(api, name, query)
        else:
            apify.collect(_apify(options, ledger), name, query, most_items=options.most_items)
        print(f"{name}: done; {ledger.state.num_rows} replies in {options.out}")
    print(f"spent: {ledger.state.spent_usd + ledger.state.reserved_usd:.4f} USD")


def _key(options: argparse.Namespace, usual: str) -> str:
    name = options.key_from or usual
    if not os.environ.get(name):
        raise WorldError(
            f"the environment variable {name} is not set: it should hold the key (--key-from names another)"
        )
    return os.environ[name]


def _x(options: argparse.Namespace, ledger: Ledger) -> x_api.XApi:
    return x_api.XApi(
        url=options.url or X_URL,
        key=_key(options, X_KEY),
        usd_per_post=options.usd_per_post,
        ledger=ledger,
        window=options.window,
        first_wait_seconds=options.first_wait,
        longest_wait_seconds=options.longest_wait,
    )


def _apify(options: argparse.Namespace, ledger: Ledger) -> apify.Apify:
    if not options.actor or not options.input:
        raise WorldError("apify needs --actor NAME and --input FILE (the actor's input, with {query} in it)")
    return apify.Apify(
        url=options.url or APIFY_URL,
        key=_key(options, APIFY_KEY),
        actor=options.actor,
        template=Path(options.input).read_text(encoding="utf-8"),
        usd_per_item=options.usd_per_post,
        ledger=ledger,
        first_wait_seconds=options.first_wait,
    )


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["probe", "collect"])
    parser.add_argument("service", choices=["x", "apify"])
    parser.add_argument("--conversation", action="append", required=True, metavar="ID", help="may be given many times")
    parser.add_argument("--out", type=Path, default=Path("replies.jsonl"))
    parser.add_argument("--usd-per-post", type=float, required=True, help="what one post costs in your plan")
    parser.add_argument("--spend-at-most", type=float, required=True, metavar="USD")
    parser.add_argument("--least-likes", type=int, default=0, metavar="N")
    parser.add_argument("--operator", default="min_faves:{n}", help="how the service is asked for likes")
    parser.add_argument("--sample", type=int, default=50, help="posts that a probe reads, twice")
    parser.add_argument("--yes", action="store_true", help="spend; without it the line only counts and projects")
    parser.add_argument("--key-from", metavar="NAME", help=f"environment variable; else {X_KEY} or {APIFY_KEY}")
    parser.add_argument("--window", choices=["recent", "all"], default="recent", help="seven days, or the archive")
    parser.add_argument("--first-wait", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--longest-wait", type=float, default=1000.0, metavar="SECONDS")
    parser.add_argument("--url", help="another address of the service")
    parser.add_argument("--actor", help="Apify: the actor, as user~name")
    parser.add_argument("--input", help="Apify: a JSON file, the actor's input")
    parser.add_argument("--most-items", type=int, default=1000, help="Apify: for each conversation")
    options = parser.parse_args(arguments)
    if options.usd_per_post < 0 or options.spend_at_most < 0:
        parser.error("prices and limits are 0 or more")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
