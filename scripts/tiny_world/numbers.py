"""Numbers of the small world: counting, sums, prices, clock times, days in their order."""

from __future__ import annotations

from collections.abc import Callable

from tiny_world.lexicon import LEXICON
from tiny_world.scene import Scene, listing, number_word, plural, sentence


def clock(minutes: int) -> str:
    """Minutes since midnight as a clock time with two digits for the hour."""
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"


def counting(scene: Scene) -> str:
    """Numbers in steps, up or down, in digits or words."""
    rng = scene.rng
    step, length = rng.choice((1, 1, 1, 2, 3, 5, 10)), rng.randint(5, 12)
    start = rng.randint(1, 60)
    row = [start + step * index for index in range(length)]
    if rng.random() < 0.25:
        row.reverse()
    show = number_word if rng.random() < 0.4 else str
    shown = [show(number) for number in row]
    lead = scene.say("{hero} counts: ", "{hero} counted the {s:thing}: ", "Count with me: ", "")
    return f"{lead}{', '.join(shown)}."


def sums(scene: Scene) -> str:
    """Additions, differences and products, in digits and in words."""
    rng, lines = scene.rng, []
    style = rng.randrange(3)
    for _ in range(rng.randint(2, 8)):
        kind = rng.choice(("plus", "plus", "minus", "times"))
        if kind == "times":
            a, b = rng.randint(2, 10), rng.randint(2, 10)
            result, mark = a * b, "x"
        else:
            a, b = rng.randint(1, 40), rng.randint(1, 40)
            a, b = (max(a, b), min(a, b)) if kind == "minus" else (a, b)
            result, mark = (a - b, "-") if kind == "minus" else (a + b, "+")
        words = f"{number_word(a)} {kind} {number_word(b)} is {number_word(result)}."
        lines.append((f"{a} {mark} {b} = {result}", f"{a} {kind} {b} is {result}.", sentence(words))[style])
    return rng.choice(("\n", " ") if style else ("\n",)).join(lines)


def animals_counted(scene: Scene) -> str:
    """Some come, some go: how many are left."""
    rng = scene.rng
    have, change = rng.randint(3, 20), rng.randint(1, 9)
    grows = rng.random() < 0.5 or change >= have
    result = have + change if grows else have - change
    moved = scene.say("{friend} brings {0} more.", "{hero} finds {0} more.") if grows else scene.say(
        "{hero} gives {0} of them to {friend}.", "{0} of them run away."
    )  # fmt: skip
    use_words = rng.random() < 0.5
    a, b, c = (number_word(n) if use_words else str(n) for n in (have, change, result))
    lead = scene.fill(f"{{hero}} has {a} {{s:animal}}. ") + sentence(moved.replace("{0}", b))
    return lead + scene.fill(f" How many {{s:animal}} does {{hero}} have now? {sentence(c)}.")


def prices(scene: Scene) -> str:
    """What things cost in a shop, and what they cost together."""
    rng = scene.rng
    things = scene.pick(rng.choice(("thing", "food", "cloth", "tool")), rng.randint(2, 4))
    costs = [rng.randint(2, 20) for _ in things]
    coin = rng.choice(("coins", "coins", "pennies", "crowns"))
    told = [f"the {thing} cost {cost} {coin}" for thing, cost in zip(things, costs, strict=True)]
    steps = " + ".join(str(cost) for cost in costs)
    total = sum(costs)
    end = rng.choice(
        (
            f"Together that is {steps} = {total} {coin}.",
            f"How much is it together? {steps} is {total}. It is {total} {coin}.",
            scene.fill("{hero} paid ") + f"{total} {coin} in all.",
        )
    )
    return scene.fill("At the {place} of {village} ") + listing(told) + ". " + end


def ledger(scene: Scene) -> str:
    """The shop's book: what was sold on each day, then what was sold most."""
    rng = scene.rng
    good = plural(scene.pick("thing", 1)[0])
    first, count = rng.randrange(7), rng.randint(3, 7)
    days = [LEXICON["day"][(first + offset) % 7] for offset in range(count)]
    sold = rng.sample(range(2, 60), count)
    rows = [f"{day}: {number} {good}" for day, number in zip(days, sold, strict=True)]
    best, least = sold.index(max(sold)), sold.index(min(sold))
    head = scene.say("{hero} wrote down how many were sold.", "The book of the shop says:", "What {hero} sold:")
    tail = f"The best day was {days[best]} with {sold[best]} {good}."
    tail += f" The worst day was {days[least]} with {sold[least]}."
    return "\n".join((head, *rows, tail))


def day_in_clock_times(scene: Scene) -> str:
    """One day of somebody, clock time after clock time."""
    rng = scene.rng
    now, lines = rng.randrange(300, 480, 5), []
    doings = (
        "{hero} got up", "{he} fed the {animal}", "{he} ate {~food} and {~food}", "{he} walked to the {~place}",
        "{he} met {~person}", "{he} {~verb_ed} the {~thing}", "{he} had lunch with {friend}",
        "{he} played {~game}", "{he} learned some {~subject}", "{he} came home", "{he} cooked {~dish}",
        "{he} read a book", "{he} went to bed",
    )  # fmt: skip
    kept = sorted(rng.sample(range(len(doings)), rng.randint(4, 9)))
    pattern = rng.choice(("At {} {}.", "{} - {}", "It was {} when {}.", "{}: {}"))
    for index in kept:
        lines.append(pattern.format(clock(now), scene.fill(doings[index])))
        now += rng.randrange(15, 120, 5)
    return rng.choice((" ", "\n")).join(lines) if pattern[-1] == "." else "\n".join(lines)


def lasting(scene: Scene) -> str:
    """When something begins, how long it takes, when it ends."""
    rng, lines = scene.rng, []
    start = rng.randrange(360, 1080, 5)
    for _ in range(rng.randint(1, 4)):
        length = rng.choice((5, 10, 15, 20, 25, 30, 40, 45, 60, 90))
        begin, end = clock(start), clock(start + length)
        lines.append(
            scene.say(
                f"The {{~dish}} goes in at {begin} and takes {length} minutes, so it is ready at {end}.",
                f"{{hero}} started at {begin} and worked for {length} minutes, until {end}.",
                f"From {begin} to {end} are {length} minutes.",
            )
        )
        start += length
    return " ".join(lines)


def in_order(scene: Scene) -> str:
    """The same things unsorted and then sorted."""
    rng = scene.rng
    kind, count = rng.randrange(4), rng.randint(3, 7)
    if kind == 0:
        row = [str(n) for n in rng.sample(range(1, 100), count)]
        ordered = sorted(row, key=int)
        how = "from small to large"
    elif kind == 1:
        row = [clock(n * 5) for n in rng.sample(range(60, 270), count)]
        ordered, how = sorted(row), "from early to late"
    elif kind == 2:
        row = scene.pick(rng.choice(("animal", "thing", "food")), count)
        ordered, how = sorted(row), "from a to z"
    else:
        row = scene.people(count)
        ordered, how = sorted(row), "from A to Z"
    return scene.say(
        f"{', '.join(row)}. In order {how}: {', '.join(ordered)}.",
        f"{{hero}} has {listing(row)}. Put in order {how} they are {listing(ordered)}.",
        f"Not in order: {', '.join(row)}\nIn order: {', '.join(ordered)}",
    )


def calendar(scene: Scene) -> str:
    """Which day or month comes before and after which."""
    rng, lines = scene.rng, []
    for _ in range(rng.randint(2, 5)):
        row = LEXICON[rng.choice(("day", "day", "month", "season"))]
        index = rng.randrange(len(row))
        after, before = row[(index + 1) % len(row)], row[index - 1]
        lines.append(
            rng.choice(
                (
                    f"After {row[index]} comes {after}.",
                    f"Before {row[index]} comes {before}.",
                    f"{sentence(row[index])} is between {before} and {after}.",
                    f"Which one comes after {row[index]}? {sentence(after)}.",
                    f"In order: {before}, {row[index]}, {after}.",
                )
            )
        )
    return rng.choice((" ", "\n")).join(lines)


def compared(scene: Scene) -> str:
    """Who has more, who is older, what is dearer."""
    rng = scene.rng
    people = scene.people(rng.randint(2, 4))
    values = rng.sample(range(3, 70), len(people))
    is_age = rng.random() < 0.5
    told = [f"{p} is {v} years old" if is_age else f"{p} has {v} coins" for p, v in zip(people, values, strict=True)]
    top, bottom = people[values.index(max(values))], people[values.index(min(values))]
    order = [people[i] for i in sorted(range(len(people)), key=lambda i: values[i])]
    most, least = ("oldest", "youngest") if is_age else ("richest", "poorest")
    ends = [
        f"{top} is the {most}.",
        f"{bottom} is the {least}.",
        f"From the {least} to the {most}: {', '.join(order)}.",
        f"Who is the {most}? {top}.",
    ]
    return f"{listing(told)}. {' '.join(rng.sample(ends, rng.randint(1, 3)))}"


NUMBERS: tuple[tuple[float, Callable[[Scene], str]], ...] = (
    (0.6, counting), (1.0, sums), (1.2, animals_counted), (1.2, prices), (1.0, ledger), (2.0, day_in_clock_times),
    (1.0, lasting), (1.2, in_order), (0.7, calendar), (1.0, compared),
)  # fmt: skip
