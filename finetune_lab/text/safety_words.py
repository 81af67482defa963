"""A first guess at whether a prompt asks for harm, from its words. A heuristic: a person has to look at it.

It knows words, not what is meant: "kill a Python process" counts as unsafe, a polite request for harm as safe.
"""

import re
from dataclasses import dataclass
from typing import Literal

Label = Literal["safe", "unsafe"]

# stems; a word of the prompt that begins with one of them counts
STEMS: dict[str, tuple[str, ...]] = {
    "violence": ("kill", "murder", "assassinat", "strangl", "stab", "poison", "tortur", "kidnap", "lynch", "massacr"),
    "weapons": ("bomb", "explosi", "grenade", "firearm", "molotov", "landmine", "nerve agent", "ammunition"),
    "theft": ("steal", "shoplift", "burgl", "rob ", "robbing", "robbery", "pickpocket", "break into", "hotwire"),
    "fraud": ("scam", "fraud", "counterfeit", "forge ", "forging", "forged", "launder", "embezzl", "ponzi", "bribe"),
    "intrusion": ("hack", "malware", "ransomware", "keylog", "phish", "spyware", "ddos", "crack a password"),
    "drugs": ("cocaine", "heroin", "fentanyl", "methamphetamine", "meth ", "crack cocaine"),
    "abuse": ("stalk", "blackmail", "extort", "harass", "dox", "traffick", "molest", "rape", "abus"),
    "self-harm": ("suicid", "self-harm", "kill myself", "hurt myself", "overdos", "anorex", "starve myself"),
    "hate": ("racist", "sexist", "homophob", "antisemit", "xenophob", "slur", "genocid", "inferior race"),
    "destruction": ("arson", "vandal", "sabotag", "set fire", "derail"),
    "smuggling": ("smuggl", "illegal", "untraceable", "without getting caught", "evade tax", "tax evasion"),
}
_PATTERN = re.compile(r"\b(?:" + "|".join(re.escape(stem) for stems in STEMS.values() for stem in stems) + ")")


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A label and the stems that speak for it (none for safe)."""

    label: Label
    stems: tuple[str, ...]


def guess(prompt: str) -> Guess:
    """Unsafe if any stem of the list begins a word of the prompt, else safe."""
    found = tuple(dict.fromkeys(stem.strip() for stem in _PATTERN.findall(f"{prompt.lower()} ")))
    return Guess(label="unsafe" if found else "safe", stems=found)
