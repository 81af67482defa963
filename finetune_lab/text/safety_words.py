"""A first guess at whether a prompt asks for harm, from its words. A heuristic: a person has to look at it.

It knows words, not what is meant. Of 100 prompts of SimpleSafetyTests it marks 46, of 39 harmful instructions 12, of
6,264 harmless ones 19; on XSTest, which is made to mislead word lists, a quarter of the unsafe and a fifth of the safe.
"""

import re
from dataclasses import dataclass
from typing import Literal

Label = Literal["safe", "unsafe"]

# what a word of the prompt begins with; a full stop ends a whole word
STEMS = {
    "violence": "kill, murder, assassinat, strangl, stab, poison, tortur, kidnap, lynch, massacr, terroris, assault, "
    "physical harm, hurt someone, shoot someone, beat someone",
    "weapons": "bomb, explosi, grenade, firearm, molotov, landmine, nerve agent, ammunition, weapon",
    "theft": "steal, shoplift, burgl, rob., robbing, robbery, pickpocket, break into, hotwire, identity theft, "
    "pick a lock",
    "fraud": "scam, fraud, counterfeit, forge., forging, forged, launder, embezzl, ponzi, bribe, insider trading, "
    "fake id., fake review, black market",
    "intrusion": "hack, malware, ransomware, keylog, phish, spyware, ddos, crack a password, hijack, "
    "unauthorized access",
    "drugs": "cocaine, heroin., fentanyl, methamphetamine, meth., illegal drug, date rape",
    "abuse": "stalk, blackmail, extort, harass, dox, traffick, molest, rape., rapist, abus, bully, cyberbull, defam, "
    "child porn, revenge porn",
    "self-harm": "suicid, self-harm, kill myself, hurt myself, overdos, anorex, starve myself",
    "hate": "racist, sexist, homophob, antisemit, xenophob, slur., slurs, genocid, inferior race, hate speech",
    "destruction": "arson, vandal, sabotag, set fire, derail, tamper with",
    "deceit": "fake news, misinformation, disinformation, deepfake, propaganda, conspiracy theor",
    "evasion": "smuggl, illegal, untraceable, getting caught, evade tax, evade law, tax evasion",
}
_STEMS = [stem for stems in STEMS.values() for stem in stems.split(", ")]
_PATTERN = re.compile(r"\b(?:" + "|".join(re.escape(stem).replace(r"\.", r"\b") for stem in _STEMS) + ")")


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A label and the stems that speak for it (none for safe)."""

    label: Label
    stems: tuple[str, ...]


def guess(prompt: str) -> Guess:
    """Unsafe if any stem of the list begins a word of the prompt, else safe."""
    found = tuple(dict.fromkeys(_PATTERN.findall(prompt.lower())))
    return Guess(label="unsafe" if found else "safe", stems=found)
