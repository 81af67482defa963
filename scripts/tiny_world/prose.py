"""Prose of the small world: stories, diaries, letters, places, recipes, definitions."""

from __future__ import annotations

from collections.abc import Callable

from tiny_world.lexicon import DEFINITIONS, LEXICON, OPPOSITES
from tiny_world.lines import LINES
from tiny_world.scene import Scene, listing, number_word, sentence, with_article

#: What a scene states, the question about it, the answer: the answer stands in the text.
FACTS: tuple[tuple[str, str, str], ...] = (
    ("{hero} found {a:thing} under the {furniture}.", "What did {hero} find?", "{hero} found {a:thing}."),
    ("{hero} found {a:thing} under the {furniture}.", "Where was the {thing}?", "It was under the {furniture}."),
    ("{friend} has {n} {s:animal}.", "How many {s:animal} does {friend} have?", "{friend} has {n} {s:animal}."),
    ("{friend} wore {a:colour} {cloth}.", "Which colour was the {cloth}?", "The {cloth} was {colour}."),
    ("{friend} wore {a:colour} {cloth}.", "Who wore the {cloth}?", "{friend} wore the {cloth}."),
    ("The {job} of {village} is {person}.", "Who is the {job} of {village}?", "{person} is the {job}."),
    ("The {job} of {village} is {person}.", "Where does {person} work?", "{person} works in {village}."),
    ("The {place} opens at {clock}.", "When does the {place} open?", "The {place} opens at {clock}."),
    ("They met on {day} at the {place2}.", "On which day did they meet?", "They met on {day}."),
    ("They met on {day} at the {place2}.", "Where did they meet?", "They met at the {place2}."),
    ("{hero} paid {n2} coins for {a:thing2}.", "What did the {thing2} cost?", "The {thing2} cost {n2} coins."),
    ("{friend} made {dish} for {person2}.", "Who made the {dish}?", "{friend} made the {dish}."),
    ("{friend} made {dish} for {person2}.", "For whom was the {dish}?", "It was for {person2}."),
    ("The boat of {person3} is called the {boatname}.", "What is the boat called?", "It is called the {boatname}."),
    ("{hero} put the {thing3} in {a:colour2} {unit}.", "Where is the {thing3}?", "It is in the {colour2} {unit}."),
    ("{hero} was {mood} that day.", "How did {hero} feel?", "{hero} was {mood}."),
    ("It was {month}, and there was {weather}.", "In which month was it?", "It was {month}."),
    ("{friend} can play the {instrument}.", "Who can play the {instrument}?", "{friend} can play it."),
)


def story(scene: Scene) -> str:
    """A short story with a hero, a wish, a trouble and an end."""
    rng = scene.rng
    parts = ["opening", "wish", "trouble", "attempt", "talk", "middle", "talk", "attempt", "ending"]
    kept = [part for part in parts if part in ("opening", "ending") or rng.random() < 0.75]
    lines, seen = [], set[str]()
    for part in kept:
        template = rng.choice([line for line in LINES[part] if line not in seen])
        seen.add(template)
        lines.append(sentence(scene.fill(template)))
    if rng.random() < 0.4:
        split = rng.randint(1, len(lines) - 1)
        return " ".join(lines[:split]) + "\n\n" + " ".join(lines[split:])
    return " ".join(lines)


def titled_story(scene: Scene) -> str:
    """A story under a heading that names what it is about."""
    title = scene.say("{hero} and the {thing}", "The {adj} {thing}", "The {animal} of {village}", "A day in {village}")
    return f"{title}\n\n{story(scene)}"


def told_facts(scene: Scene, count: int) -> tuple[str, list[tuple[str, str]]]:
    """A text that states `count` facts, and (question, answer) for each, in another order."""
    rng = scene.rng
    chosen: dict[str, tuple[str, str, str]] = {}
    for fact in rng.sample(FACTS, len(FACTS)):
        chosen.setdefault(fact[0], fact)
    facts = list(chosen.values())[:count]
    told = [scene.fill(fact[0]) for fact in facts]
    for _ in range(rng.randint(0, 2)):
        told.insert(rng.randint(0, len(told)), sentence(scene.say(*LINES["scenery"])))
    asked = [(scene.fill(question), scene.fill(answer)) for _, question, answer in facts]
    rng.shuffle(asked)
    return " ".join(told), asked


def reading(scene: Scene) -> str:
    """A text and questions about it with their answers."""
    text, asked = told_facts(scene, scene.rng.randint(2, 5))
    marks = scene.rng.choice((("Question: ", "Answer: "), ("Q: ", "A: "), ("- ", "- ")))
    return text + "\n\n" + "\n".join(f"{marks[0]}{question}\n{marks[1]}{answer}" for question, answer in asked)


def village(scene: Scene) -> str:
    """A description of a village."""
    lines = scene.rng.sample(LINES["scenery"], scene.rng.randint(4, 8))
    return " ".join(sentence(scene.fill(line)) for line in lines)


def diary(scene: Scene) -> str:
    """A diary of some days in their order."""
    rng = scene.rng
    days, first = LEXICON["day"], rng.randrange(7)
    entries = []
    for offset in range(rng.randint(2, 7)):
        lines = rng.sample(LINES["diary"], rng.randint(2, 4))
        text = " ".join(sentence(scene.fill(line)) for line in lines)
        entries.append(f"{days[(first + offset) % 7]}. {text}")
    return rng.choice(("\n", "\n\n", " ")).join(entries)


def letter(scene: Scene) -> str:
    """A letter that answers another one."""
    rng = scene.rng
    greeting = scene.say("Dear {friend},", "My dear {friend},", "Hello {friend},")
    thanks = scene.say(
        "thank you for your letter.",
        "I hope that you are well.",
        "thank you for the {thing3}.",
        "how are you and your {animal2}?",
    )
    news = [scene.fill(line) for line in rng.sample(LINES["news"], rng.randint(2, 5))]
    close = scene.say("Please write soon.", "See you on {day2}.", "I miss you.", "Come and see us in {season2}.")
    body = " ".join([sentence(thanks), *news, close])
    farewell = scene.say("Yours", "With love", "Best wishes", "Your friend")
    return scene.fill(f"{greeting}\n\n{body}\n\n{farewell},\n{{hero}}")


def recipe(scene: Scene) -> str:
    """How to cook a dish, step by step."""
    order = sorted(scene.rng.sample(range(len(LINES["kitchen"])), scene.rng.randint(4, 8)))
    steps = [scene.fill(LINES["kitchen"][index]) for index in order]
    head = scene.say("How to make {dish}.", "{hero} explains how to make {dish}.", "For {dish} you need some time.")
    if scene.rng.random() < 0.4:
        return head + "\n" + "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))
    return head + " " + " ".join(steps) + scene.fill(" Now the {dish} is ready.")


def definitions(scene: Scene) -> str:
    """What some words mean."""
    rng, lines = scene.rng, []
    for word, kind, does in rng.sample(DEFINITIONS, rng.randint(1, 5)):
        name = with_article(word)
        link = "who" if kind == "a person" else "that"
        lines.append(
            rng.choice(
                (
                    f"{sentence(name)} is {kind} {link} {does}.",
                    f"What is {name}? It is {kind} {link} {does}.",
                    f"We call {kind} {link} {does} {name}.",
                    f"{sentence(word)}: {kind} {link} {does}.",
                )
            )
        )
    return rng.choice((" ", "\n")).join(lines)


def opposites(scene: Scene) -> str:
    """Pairs of opposite words, in one pattern."""
    rng = scene.rng
    pattern = rng.choice(
        (
            "The opposite of {} is {}.",
            "{} is not {}.",
            "{} and {} are opposites.",
            "{} - {}",
            "If it is {}, it is not {}.",
        )
    )
    pairs = rng.sample(OPPOSITES, rng.randint(3, 7))
    return rng.choice((" ", "\n")).join(sentence(pattern.format(*pair)) for pair in pairs)


def opinions(scene: Scene) -> str:
    """Some people say what they like."""
    lines = [scene.fill(line) for line in scene.rng.sample(LINES["opinion"], scene.rng.randint(2, 4))]
    if scene.rng.random() < 0.5:
        return " ".join(sentence(line) for line in lines)
    names = scene.people(len(lines))
    return "\n".join(f'{name} says: "{sentence(line)}"' for name, line in zip(names, lines, strict=True))


def owners(scene: Scene) -> str:
    """Who has what; then all again in another order."""
    rng = scene.rng
    count = rng.randint(3, 6)
    people, things, colours = scene.people(count), scene.pick("thing", count), scene.pick("colour", count)
    own = [f"{c} {t}" for c, t in zip(colours, things, strict=True)]
    verb = rng.choice(("has", "bought", "carries", "lost", "sold", "wants"))
    told = [f"{person} {verb} the {thing}." for person, thing in zip(people, own, strict=True)]
    order = rng.sample(range(count), count)
    again = rng.choice(
        (
            lambda i: f"The {own[i]} belongs to {people[i]}.",
            lambda i: f"Who {verb} the {things[i]}? {people[i]}.",
            lambda i: f"What colour is the {things[i]} of {people[i]}? {sentence(colours[i])}.",
            lambda i: f"{people[i]}: {own[i]}",
        )
    )
    return " ".join(told) + "\n" + rng.choice((" ", "\n")).join(again(i) for i in order)


def bought(scene: Scene) -> str:
    """What somebody bought, said in a row, one by one and again."""
    things = scene.pick("thing", scene.rng.randint(2, 6))
    row = listing([with_article(thing) for thing in things])
    first = scene.fill("{hero} went to the {place} and bought ") + row + "."
    where = ("on the {~furniture}.", "beside the {~furniture}.", "under the {~furniture}.")
    steps = [scene.fill("{hero} put the ") + f"{thing} {scene.say(*where)}" for thing in things]
    count = f"The {number_word(len(things))} things that " + scene.fill("{hero} bought were ")
    last = f"The last thing was the {things[-1]}, and the first was the {things[0]}."
    kept = [part for part in (" ".join(steps), count + row + ".", last) if scene.rng.random() < 0.75]
    return " ".join([first, *kept])


PROSE: tuple[tuple[float, Callable[[Scene], str]], ...] = (
    (4.0, story), (1.5, titled_story), (3.0, reading), (1.5, village), (2.0, diary), (2.0, letter),
    (1.2, recipe), (1.0, definitions), (0.4, opposites), (0.7, opinions), (1.5, owners), (1.5, bought),
)  # fmt: skip
