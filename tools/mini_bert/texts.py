"""Openly licensed English without labels: WordNet's glosses and examples, and sentences of our own with its words.

WordNet 3.0 (Princeton University; its licence is in NOTICE) is read from its own files, data.noun and the like. No data
set that the course scores is read: tests/test_mini_bert.py compares every text with them.
"""

import os
import random
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

VARIABLE = "FTCOURSE_WORDNET"  # names the folder with data.noun
USUAL = ("/usr/share/wordnet", "/usr/local/share/wordnet", "/opt/wordnet/dict")
PARTS = ("noun", "verb", "adj", "adv")
# the 45 files of WordNet's lexicographers, by number (lexnames in its documentation)
FIELDS = (
    "adj.all adj.pert adv.all noun.tops noun.act noun.animal noun.artifact noun.attribute noun.body noun.cognition "
    "noun.communication noun.event noun.feeling noun.food noun.group noun.location noun.motive noun.object "
    "noun.person noun.phenomenon noun.plant noun.possession noun.process noun.quantity noun.relation noun.shape "
    "noun.state noun.substance noun.time verb.body verb.change verb.cognition verb.communication verb.competition "
    "verb.consumption verb.contact verb.creation verb.emotion verb.motion verb.perception verb.possession "
    "verb.social verb.stative verb.weather adj.ppl"
).split()


class Absent(Exception):
    "Something that the build needs is not here; the message says how to get it."


@dataclass
class WordNet:
    glosses: list = field(default_factory=list)  # (words of the synset, definition, how often they are met)
    examples: list = field(default_factory=list)
    words: dict = field(default_factory=lambda: defaultdict(list))  # field -> words, those in use first


def find_wordnet() -> Path:
    "Folder of WordNet's files. Raises `Absent`."
    for folder in filter(None, (os.environ.get(VARIABLE), *USUAL)):
        if (Path(folder) / "data.noun").is_file():
            return Path(folder)
    raise Absent(
        f"no WordNet 3.0 (data.noun …) in {', '.join(USUAL)}: install it (Debian: wordnet-base) or set {VARIABLE}"
    )


def read_wordnet(folder: Path) -> WordNet:
    "Its definitions, example sentences and words."
    found, uses = WordNet(), defaultdict(int)
    for part in PARTS:  # index.*: lemma … number of senses, number of those met in tagged text, offsets
        for line in (folder / f"index.{part}").read_text(encoding="latin-1").splitlines():
            if not line.startswith(" "):
                cells = line.split()
                senses = int(cells[2])
                uses[cells[0].replace("_", " ")] += int(cells[-senses - 1])
    for part in PARTS:  # data.*: offset, file, type, words (hexadecimal), word lex_id …, … | gloss
        for line in (folder / f"data.{part}").read_text(encoding="latin-1").splitlines():
            if line.startswith(" "):
                continue
            head, _, gloss = line.partition(" | ")
            cells = head.split()
            words = [cells[4 + 2 * i] for i in range(int(cells[3], 16))]
            words = [re.sub(r"\(\w+\)$", "", w).replace("_", " ") for w in words]
            spoken = re.findall(r'"([^"]+)"', gloss)
            definition = re.sub(r'\s*"[^"]*"[^;]*', "", gloss).strip(" ;:")
            met = sum(uses[w.lower()] for w in words)
            if len(definition) > 8:
                found.glosses.append((words, definition, met))
            found.examples += [e.strip(" ;") for e in spoken if len(e) >= 12]
            for word in words:
                found.words[FIELDS[int(cells[1])]].append((uses[word.lower()], word))
    for name, words in found.words.items():
        found.words[name] = [w for _, w in sorted(dict.fromkeys(words), key=lambda t: (-t[0], t[1]))]
    return found


# ------------------------------------------------------------------ sentences of our own
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
SLOTS = dict(
    animal=["noun.animal"],
    artifact=["noun.artifact"],
    event=["noun.event", "noun.act"],
    food=["noun.food"],
    group=["noun.group"],
    object=["noun.object"],
    person=["noun.person"],
    place=["noun.location"],
    plant=["noun.plant"],
    process=["noun.process", "noun.act"],
    state=["noun.state"],
    substance=["noun.substance"],
    time=["noun.time"],
    thing=[
        "noun.artifact",
        "noun.cognition",
        "noun.communication",
        "noun.attribute",
        "noun.act",
        "noun.food",
        "noun.body",
    ]
    + ["noun.animal", "noun.feeling", "noun.possession", "noun.event", "noun.object", "noun.group", "noun.state"],
    verb=[name for name in FIELDS if name.startswith("verb.") and name != "verb.weather"],
    adj=["adj.all", "adj.all", "adj.pert"],
    adv=["adv.all"],
)


def read_lists() -> dict[str, list[str]]:
    "Frames and words of frames.txt, by heading."
    found = {}
    for line in (Path(__file__).parent / "frames.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            found[line[2:]] = some = []
        else:
            some.append(line)
    return found


class Frames:
    "Sentences of our own, filled with words; seeded."

    def __init__(self, wordnet: WordNet, seed: int):
        self.rng = random.Random(seed)
        names = {w for w in wordnet.words["noun.person"] if w[:1].isupper() and " " in w}
        self.names = sorted(names)
        self.lists = read_lists()
        self.words = {
            name: [w for w in words if name == "noun.location" or not w[:1].isupper()]
            for name, words in wordnet.words.items()
        }

    def word(self, slot: str) -> str:
        rng = self.rng
        if slot in ("good", "bad", "quality"):
            return rng.choice(self.lists[slot])
        if slot == "name":
            return rng.choice(self.names)
        if slot == "year":
            return str(rng.randint(1500, 2030))
        if slot in ("number", "digit"):
            return str(rng.randint(2, 99) if slot == "number" else rng.randint(0, 5))
        if slot == "letters":
            return "".join(rng.choices(LETTERS, k=rng.randint(2, 4)))
        if slot == "weekday":
            return rng.choice(WEEKDAYS)
        words = self.words[rng.choice(SLOTS[slot])]
        # common words come more often, rare ones not never
        return words[int(len(words) * rng.random() ** 5)]

    def fill(self, frame: str) -> str:
        def filled(match):
            article, slot = re.fullmatch(r"(a_)?([a-z]+)\d?", match[1]).groups()
            word = self.word(slot)
            return (("an " if word[0].lower() in "aeiou" else "a ") if article else "") + word

        return re.sub(r"\{(\w+)\}", filled, frame)

    def sentences(self, kind: str, n: int) -> list[str]:
        return [self.fill(self.rng.choice(self.lists[kind])) for _ in range(n)]


FRAMES = dict(questions=16_000, opinions=24_000, news=14_000, plain=6_000)


def make_texts(wordnet: WordNet, seed: int = 0) -> dict[str, list[str]]:
    "Texts by kind, each once, in random order."
    rng, frames = random.Random(seed), Frames(wordnet, seed)
    found = dict(gloss=[], example=list(wordnet.examples))

    # the oftener its words are met, the likelier a synset comes early
    def early(gloss):
        return rng.random() ** (1 / (1 + gloss[2] ** 0.5))

    for words, definition, _ in sorted(wordnet.glosses, key=early, reverse=True):
        word, how = rng.choice(words), rng.random()
        found["gloss"].append(
            f"{word} : {definition}" if how < 0.4 else f"{word} is {definition}" if how < 0.55 else definition
        )
    rng.shuffle(found["example"])
    for kind, n in FRAMES.items():
        found[kind] = frames.sentences(kind, n)
    return {kind: list(dict.fromkeys(texts)) for kind, texts in found.items()}


def normalised(text: str) -> str:
    "Letters and digits alone, in lower case: what two texts are compared by."
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))
