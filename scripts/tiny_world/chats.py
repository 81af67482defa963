"""Conversations of the small world, as messages; every answer is prose."""

from __future__ import annotations

from collections.abc import Callable

from tiny_world.drills import DRILLS, nonsense
from tiny_world.lexicon import DEFINITIONS, LEXICON, OPPOSITES
from tiny_world.numbers import animals_counted, clock, day_in_clock_times
from tiny_world.prose import letter, recipe, story, told_facts, village
from tiny_world.scene import Scene, listing, number_word, sentence, with_article

Turns = list[tuple[str, str]]

_SYSTEM = (
    "You are a friendly helper in the village of {village}.",
    "Answer in plain words.",
    "You are {hero}, the {job} of {village}. Answer politely.",
    "Give short answers.",
    "You help children with reading and sums.",
    "Be kind and say only what you know.",
    "Answer the question. Use only what the text says.",
)


def greeting(scene: Scene) -> Turns:
    """Small talk in which the other's name must be kept."""
    asks = [
        ("What is my name?", "Your name is {friend}."),
        ("Thank you. Goodbye!", "Goodbye, {friend}! See you soon."),
    ]
    turns = [
        (
            scene.say(
                "Hello, my name is {friend}.", "Good morning! I am {friend} from {village}.", "Hi, {friend} here."
            ),
            scene.say("Hello, {friend}! How can I help you?", "Good morning, {friend}. How are you today?"),
        ),
        (
            scene.say("I am {mood} because of the {weather}.", "I am {mood}. My {animal} is {adj}."),
            scene.say("I see, {friend}. It is fine to be {mood}.", "That is good to know, {friend}."),
        ),
    ]
    kept = asks[scene.rng.randint(0, 2) :]
    return turns[: scene.rng.randint(1, 2)] + [(ask, scene.fill(answer)) for ask, answer in kept]


def about_text(scene: Scene) -> Turns:
    """Questions about a text that stands in the first message."""
    text, asked = told_facts(scene, scene.rng.randint(2, 5))
    turns = [(f"{text}\n\n{asked[0][0]}", asked[0][1])]
    return turns + asked[1 : scene.rng.randint(1, len(asked))]


def tell_story(scene: Scene) -> Turns:
    """A wish for a story about somebody, and the story."""
    ask = scene.say(
        "Tell me a story about {hero} and {friend}.",
        "Please tell me a story about {hero}, the {job}.",
        "Can you tell a short story about {hero} and {a:thing}?",
        "I would like to hear a story about {hero}.",
    )
    return [(ask, story(scene))]


def explain(scene: Scene) -> Turns:
    """What words mean, one after the other."""
    turns = []
    for word, kind, does in scene.rng.sample(DEFINITIONS, scene.rng.randint(1, 3)):
        name, link = with_article(word), "who" if kind == "a person" else "that"
        ask = scene.rng.choice((f"What is {name}?", f"What does {name} do?", f"Please explain the word {word}."))
        answer = f"{sentence(name)} {does}." if " do?" in ask else f"{sentence(name)} is {kind} {link} {does}."
        turns.append((ask, answer))
    return turns


def opposite(scene: Scene) -> Turns:
    """The opposites of some words."""
    pairs = scene.rng.sample(OPPOSITES, scene.rng.randint(1, 3))
    return [(f"What is the opposite of {a}?", f"The opposite of {a} is {b}.") for a, b in pairs]


def calculate(scene: Scene) -> Turns:
    """Sums, asked and answered."""
    rng, turns = scene.rng, []
    for _ in range(rng.randint(1, 3)):
        a, b = rng.randint(1, 30), rng.randint(1, 30)
        ask = rng.choice((f"What is {a} plus {b}?", f"{a} + {b} = ?", f"How much is {a} and {b}?"))
        turns.append((ask, rng.choice((f"{a} plus {b} is {a + b}.", f"It is {a + b}."))))
    return turns


def word_problem(scene: Scene) -> Turns:
    """How many animals are left."""
    text = animals_counted(scene)
    at = text.index("?") + 1
    return [(text[:at], text[at:].strip())]


def bill(scene: Scene) -> Turns:
    """What a customer has to pay."""
    rng = scene.rng
    foods = scene.pick("food", rng.randint(2, 4))
    costs = [rng.randint(2, 15) for _ in foods]
    told = listing([f"{food} for {cost} coins" for food, cost in zip(foods, costs, strict=True)])
    total = f"{' + '.join(map(str, costs))} = {sum(costs)}"
    dear = foods[costs.index(max(costs))]
    turns = [(f"I want to buy {told}. How much is it?", f"{total}. That is {sum(costs)} coins, please.")]
    if rng.random() < 0.5 and costs.count(max(costs)) == 1:
        turns.append(("Which one costs the most?", f"The {dear}: {max(costs)} coins."))
    return turns


def ordering(scene: Scene) -> Turns:
    """A wish to put things in order."""
    rng, count = scene.rng, scene.rng.randint(3, 6)
    if rng.random() < 0.35:
        row = [clock(n * 5) for n in rng.sample(range(60, 270), count)]
        return [(f"Put these times in order: {', '.join(row)}", ", ".join(sorted(row)))]
    if rng.random() < 0.5:
        numbers = rng.sample(range(1, 100), count)
        ask = f"Put these numbers in order: {', '.join(map(str, numbers))}"
        return [(ask, ", ".join(map(str, sorted(numbers))))]
    row = scene.pick(rng.choice(("animal", "food", "thing")), count)
    return [(f"Put these words in order from a to z: {', '.join(row)}", ", ".join(sorted(row)))]


def calendar(scene: Scene) -> Turns:
    """Which day or month comes next."""
    turns = []
    for _ in range(scene.rng.randint(1, 3)):
        name = scene.rng.choice(("day", "month"))
        row, index = LEXICON[name], scene.rng.randrange(7)
        other = row[(index + 1) % len(row)]
        turns.append((f"Which {name} comes after {row[index]}?", f"After {row[index]} comes {other}."))
    return turns


def give_list(scene: Scene) -> Turns:
    """A wish for some things of a kind, in one of several shapes that the wish names."""
    rng = scene.rng
    category = rng.choice(("animal", "food", "colour", "tool", "plant", "job"))
    word = f"{category}s"
    items = scene.pick(category, rng.randint(2, 6))
    number = number_word(len(items)) if rng.random() < 0.6 else str(len(items))
    shape = rng.choice(("in one line", "as a numbered list", "with dashes", "in a sentence"))
    bodies = {
        "in one line": ", ".join(items),
        "as a numbered list": "\n".join(f"{index}. {item}" for index, item in enumerate(items, start=1)),
        "with dashes": "\n".join(f"- {item}" for item in items),
        "in a sentence": f"{number_word(len(items)).capitalize()} {word} are {listing(items)}.",
    }
    return [(f"{rng.choice(('Name', 'Tell me', 'Give me'))} {number} {word} {shape}.", bodies[shape])]


def repeat(scene: Scene) -> Turns:
    """A wish to say something again, whole or in part."""
    rng, turns = scene.rng, []
    for _ in range(rng.randint(1, 3)):
        units = [nonsense(scene) for _ in range(rng.randint(2, 10))]
        joiner = rng.choice((" ", ", ", "\n"))
        ask, answer = rng.choice(
            (
                ("Say this again:", joiner.join(units)),
                ("Repeat after me:", joiner.join(units)),
                ("Say only the first one:", units[0]),
                ("Say only the last one:", units[-1]),
                ("Say each one on its own line:", "\n".join(units)),
                ("Say it backwards:", joiner.join(reversed(units))),
            )
        )
        turns.append((f"{ask} {joiner.join(units)}", answer))
    return turns


def from_drill(scene: Scene) -> Turns:
    """A drill of which the last line is the answer."""
    weights, makers = zip(*DRILLS, strict=True)
    text = scene.rng.choices(makers, weights)[0](scene)
    head, _, tail = text.rpartition("\n")
    return [(f"Go on:\n{head}", tail)] if head else [("Write something.", text)]


def write_text(scene: Scene) -> Turns:
    """A wish for a letter, a recipe, the description of a village or a day."""
    ask, maker = scene.rng.choice(
        (
            ("Write a letter from {hero} to {friend}.", letter),
            ("How do I make {dish}?", recipe),
            ("What does the village of {village} look like?", village),
            ("What did {hero} do all day?", day_in_clock_times),
        )
    )
    return [(scene.fill(ask), maker(scene))]


CHATS: tuple[tuple[float, Callable[[Scene], Turns]], ...] = (
    (1.0, greeting), (3.0, about_text), (2.0, tell_story), (1.0, explain), (0.4, opposite), (0.7, calculate),
    (0.6, word_problem), (1.0, bill), (1.0, ordering), (0.5, calendar), (1.0, give_list), (2.0, repeat),
    (1.0, from_drill), (2.0, write_text),
)  # fmt: skip


def conversation(scene: Scene) -> list[dict[str, str]]:
    """One or more exchanges as chat messages, some with a system message."""
    rng = scene.rng
    weights, makers = zip(*CHATS, strict=True)
    # longer conversations teach to look further back than one exchange
    length = rng.choice((1, 1, 1, 1, 1, 2, 3, 4, 6))
    turns = [turn for maker in rng.choices(makers, weights, k=length) for turn in maker(scene)]
    messages = [{"role": "system", "content": scene.say(*_SYSTEM)}] if rng.random() < 0.3 else []
    for ask, answer in turns:
        messages += [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]
    return messages
