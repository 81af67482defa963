"""The words of the small world, by category; a Scene draws from these."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in text.split())


WOMEN = _words(
    "Mara Ines Ada Bela Cora Dina Elsa Fenna Greta Hilda Irma Juno Katla Lena Mina Nora Olga Petra "
    "Rosa Sanna Tilda Ulla Vera Wanda Yara Zora Anna Beata Clara Edda Flora Gilda Hanna Ilse Jana "
    "Kira Lotte Marta Nelly Orla Paula Ruth Selma Thea Ursa Viola Willa Ylva Alma Birte Dora Ella"
)
MEN = _words(
    "Toma Aron Bram Casper Dario Emil Felix Gus Hugo Ivo Jonas Karl Leo Milo Nils Otto Pavel Rufus "
    "Sven Timo Udo Viktor Willem Yannis Zeno Anton Bruno Conrad Dirk Edgar Frank Georg Henrik Isak "
    "Jakob Klaus Lars Magnus Niko Oskar Pieter Ralf Simon Theo Urban Valter Walter Axel Basil Enzo"
)
SURNAMES = _words(
    "Alder Birch Carver Dale Elm Fletcher Garner Hale Ivory Jasper Kettle Lark Mason Nettle Oakes "
    "Potter Quill Reed Sawyer Thorne Underhill Vale Weaver Yarrow Ash Brook Cooper Finch Heron Marsh"
)
VILLAGES = _words(
    "Millbrook Oakham Saltby Fernhill Greywater Hollowell Eastmere Dunford Larkfield Stonewick Windle "
    "Appleton Reedham Copperfield Marlow Thistledown Kestrel_Bay Low_Harbour Upper_Fell Pinehurst "
    "Amberley Brackenside Coldwell Driftholm Elderby Foxley Gullhaven Heathcote Ironbridge Juniper_Hill"
)
#: Parts for invented names, which can only be known from the text that holds them.
ONSETS = _words("b br c ch d dr f fl g gr h j k kl l m n p pl qu r s sh sk st t th tr v w y z")
VOWELS = _words("a e i o u ai ea ee ia oa oo ou")
CODAS = _words("b ck d g l ll m n nd ng nt p r rn rt s sh sk st t th x")

LEXICON: dict[str, tuple[str, ...]] = {
    "animal": _words(
        "cat dog fox hare goat cow horse donkey sheep pig hen duck goose owl crow robin heron gull otter "
        "badger hedgehog mouse mole squirrel deer frog toad turtle beetle bee moth snail pony calf lamb "
        "kitten puppy sparrow swallow swan rabbit"
    ),
    "thing": _words(
        "lantern basket kettle rope ladder hammer spoon bucket broom blanket candle mirror key bell drum "
        "flute kite wheel barrel chest clock compass pencil notebook needle button ribbon jar jug bowl "
        "plate cup knife pot pan brush comb ball doll map stamp coin ring hat scarf glove boot coat apron "
        "umbrella cushion lamp saw rake spade net hook oar sail anchor shell stone feather whistle box bag "
        "letter book picture vase teapot sack crate cart saddle thimble magnet chain stool"
    ),
    "food": _words(
        "bread cheese soup porridge honey jam butter milk rice barley beans lentils cabbage onions carrots "
        "potatoes apples pears plums cherries berries nuts eggs fish ham sausage cake pie biscuits salt "
        "pepper flour sugar oil vinegar tea coffee cider mushrooms peas spinach turnips garlic tomatoes "
        "pumpkin noodles yoghurt cream mustard walnuts raisins"
    ),
    "dish": _words(
        "onion_soup apple_pie fish_stew barley_bread honey_cake bean_soup cheese_tart plum_jam potato_salad "
        "mushroom_pie pear_cake carrot_soup lentil_stew nut_bread berry_pudding rice_pudding egg_noodles"
    ),
    "colour": _words(
        "red blue green yellow brown grey white black orange purple pink golden silver copper pale_blue "
        "dark_green bright_red"
    ),
    "material": _words("wood wool clay glass iron leather straw paper linen stone copper tin silk wax"),
    "plant": _words(
        "rose tulip daisy fern ivy oak birch pine willow maple elm thistle nettle mint basil parsley clover "
        "lavender sunflower poppy moss reed holly lily"
    ),
    "job": _words(
        "baker miller fisher farmer teacher doctor nurse carpenter potter weaver tailor cook gardener "
        "shepherd blacksmith painter singer sailor clockmaker postman librarian beekeeper shoemaker "
        "builder ferryman musician shopkeeper roofer"
    ),
    "place": _words(
        "market mill harbour school bakery garden forest meadow bridge square library kitchen barn orchard "
        "stable workshop river lake beach hill church well tower field shop attic cellar pond hall yard "
        "boathouse lighthouse greenhouse post_office"
    ),
    "furniture": _words("table bench chair bed shelf cupboard stove sofa desk wardrobe rug stairs window door"),
    "weather": _words("rain snow fog wind sunshine frost hail thunder drizzle mist heat cloud"),
    "season": _words("spring summer autumn winter"),
    "day": _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
    "month": _words("January February March April May June July August September October November December"),
    "mood": _words(
        "happy sad tired proud angry calm curious nervous cheerful worried surprised lonely patient shy "
        "brave hopeful sleepy grateful bored pleased"
    ),
    "adj": _words(
        "old new small large heavy light clean dirty warm cold dry wet soft hard long short round square "
        "bright dark quiet loud strange simple plain fine rough smooth broken empty full narrow wide thin "
        "thick useful lovely little big cheap good strong weak fresh"
    ),
    "trait": _words(
        "kind clever stubborn careful lazy honest funny polite generous strict gentle clumsy quick slow "
        "friendly serious wise noisy thoughtful"
    ),
    "adverb": _words(
        "slowly quickly quietly carefully gladly softly loudly gently suddenly happily sadly proudly "
        "calmly at_once without_a_word with_a_smile"
    ),
    "relation": _words("brother sister cousin aunt uncle neighbour friend grandmother grandfather teacher"),
    "instrument": _words("flute drum fiddle harp horn guitar piano trumpet accordion whistle"),
    "game": _words("chess cards marbles tag hide_and_seek dominoes hopscotch skittles football draughts"),
    "tool": _words("hammer saw rake spade axe needle knife brush shovel chisel drill pliers file ladder"),
    "cloth": _words("hat scarf coat shirt skirt apron glove sock boot shoe jacket belt cap dress jumper"),
    "boat": _words("rowing_boat sailing_boat barge ferry canoe raft fishing_boat"),
    "boatname": _words("Swallow Heron Seagull Star Daisy Storm Otter Pearl Breeze Lantern Wave Northwind Kestrel Hope"),
    "body": _words("hand foot arm knee head shoulder finger ear nose back"),
    "subject": _words("reading writing sums drawing music history singing spelling gardening sewing"),
    "sound": _words("a_bell a_drum footsteps a_whisper a_song an_owl the_wind the_rain a_knock laughter"),
    "unit": _words("basket jar sack box bottle bag bunch bowl crate"),
    "time": _words("in_the_morning at_noon in_the_afternoon in_the_evening before_breakfast after_supper at_night"),
    "verb_ed": _words(
        "cleaned painted carried repaired washed moved lifted dropped opened closed counted borrowed sold "
        "bought hid found lost measured wrapped polished drew kept forgot brought"
    ),
    "made_ed": _words("baked cooked tasted prepared served shared warmed ordered packed"),
}

#: (word, kind of thing, what it is for or does): the source of definitions and of their questions.
DEFINITIONS: tuple[tuple[str, str, str], ...] = (
    ("baker", "a person", "makes bread and cakes"),
    ("miller", "a person", "grinds grain into flour"),
    ("fisher", "a person", "catches fish in the river or the sea"),
    ("farmer", "a person", "grows food and keeps animals"),
    ("teacher", "a person", "helps children to learn"),
    ("doctor", "a person", "cares for people who are ill"),
    ("carpenter", "a person", "builds things out of wood"),
    ("potter", "a person", "shapes bowls and jars out of clay"),
    ("weaver", "a person", "makes cloth on a loom"),
    ("tailor", "a person", "cuts and sews clothes"),
    ("shepherd", "a person", "looks after sheep on the hills"),
    ("blacksmith", "a person", "works hot iron with a hammer"),
    ("beekeeper", "a person", "keeps bees and gathers their honey"),
    ("librarian", "a person", "looks after books and lends them"),
    ("shoemaker", "a person", "makes and mends shoes"),
    ("lantern", "a thing", "gives light in the dark"),
    ("kettle", "a thing", "boils water for tea"),
    ("ladder", "a thing", "helps you to reach high places"),
    ("broom", "a thing", "sweeps dust from the floor"),
    ("anchor", "a thing", "holds a boat in its place"),
    ("oar", "a thing", "moves a rowing boat through the water"),
    ("compass", "a thing", "shows where north is"),
    ("clock", "a thing", "shows the time of day"),
    ("umbrella", "a thing", "keeps the rain off your head"),
    ("key", "a thing", "opens a lock"),
    ("needle", "a thing", "pulls thread through cloth"),
    ("spade", "a thing", "digs holes in the earth"),
    ("bell", "a thing", "rings so that people come"),
    ("mirror", "a thing", "shows you your own face"),
    ("candle", "a thing", "burns slowly and gives a small light"),
    ("mill", "a place", "turns grain into flour"),
    ("bakery", "a place", "sells fresh bread every morning"),
    ("library", "a place", "keeps books that anyone may read"),
    ("harbour", "a place", "keeps boats safe from the waves"),
    ("school", "a place", "teaches children to read and to count"),
    ("orchard", "a place", "is full of fruit trees"),
    ("stable", "a place", "gives horses a dry bed"),
    ("lighthouse", "a place", "warns boats of the rocks at night"),
    ("greenhouse", "a place", "keeps young plants warm"),
    ("cellar", "a place", "keeps food cool under the house"),
    ("hen", "an animal", "lays eggs"),
    ("cow", "an animal", "gives milk"),
    ("bee", "an animal", "makes honey"),
    ("sheep", "an animal", "gives wool"),
    ("owl", "an animal", "hunts at night"),
    ("otter", "an animal", "swims and eats fish"),
    ("mole", "an animal", "digs tunnels under the grass"),
    ("donkey", "an animal", "carries heavy loads"),
    ("frog", "an animal", "jumps and lives near water"),
    ("hedgehog", "an animal", "rolls itself into a ball"),
    ("dog", "an animal", "guards the house"),
    ("cat", "an animal", "catches mice"),
)

OPPOSITES: tuple[tuple[str, str], ...] = (
    ("hot", "cold"), ("big", "small"), ("old", "new"), ("full", "empty"), ("light", "dark"),
    ("loud", "quiet"), ("wet", "dry"), ("long", "short"), ("open", "closed"), ("happy", "sad"),
    ("quick", "slow"), ("soft", "hard"), ("clean", "dirty"), ("early", "late"), ("high", "low"),
    ("strong", "weak"), ("wide", "narrow"), ("heavy", "light"), ("cheap", "dear"), ("first", "last"),
)  # fmt: skip

#: Every mark of the keyboard with its name, so that no byte of plain text stays untrained.
MARKS: tuple[tuple[str, str], ...] = (
    ("!", "an exclamation mark"), ('"', "a double quote"), ("#", "a number sign"), ("$", "a dollar sign"),
    ("%", "a per cent sign"), ("&", "an ampersand"), ("'", "an apostrophe"), ("(", "an opening bracket"),
    (")", "a closing bracket"), ("*", "a star"), ("+", "a plus"), (",", "a comma"), ("-", "a dash"),
    (".", "a full stop"), ("/", "a slash"), (":", "a colon"), (";", "a semicolon"), ("<", "a less-than sign"),
    ("=", "an equals sign"), (">", "a greater-than sign"), ("?", "a question mark"), ("@", "an at sign"),
    ("[", "an opening square bracket"), ("\\", "a backslash"), ("]", "a closing square bracket"),
    ("^", "a caret"), ("_", "an underscore"), ("`", "a backtick"), ("{", "an opening brace"),
    ("|", "a bar"), ("}", "a closing brace"), ("~", "a tilde"), ("é", "an e with an accent"),
    ("ö", "an o with two dots"), ("ñ", "an n with a wave"), ("€", "a euro sign"), ("°", "a degree sign"),
    ("£", "a pound sign"), ("–", "a long dash"), ("“", "an opening quote"), ("”", "a closing quote"),
)  # fmt: skip
