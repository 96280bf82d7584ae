"""The words of the micro-world, in Portuguese and English, with what agreement needs: gender and plural.

Every table is data; the sentences that use them stand in `kinds.py`. Nothing here is random.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Literal

Language = Literal["pt", "en"]
Gender = Literal["f", "m"]


@dataclass(frozen=True, slots=True)
class Noun:
    """A thing: singular and plural in both languages, and its Portuguese gender."""

    pt: str
    pt_plural: str
    gender: Gender
    en: str
    en_plural: str

    def form(self, language: Language, plural: bool) -> str:
        return (self.pt_plural if plural else self.pt) if language == "pt" else (self.en_plural if plural else self.en)


@dataclass(frozen=True, slots=True)
class Adjective:
    """A quality: four forms in Portuguese, one in English."""

    m: str
    f: str
    m_plural: str
    f_plural: str
    en: str

    def form(self, gender: Gender, plural: bool) -> str:
        return {("m", False): self.m, ("f", False): self.f, ("m", True): self.m_plural, ("f", True): self.f_plural}[gender, plural]


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere: "na praia", "à praia", "on the beach", "to the beach"."""

    pt: str
    gender: Gender
    en: str
    en_within: str = "in"

    def within(self, language: Language) -> str:
        return f"{'na' if self.gender == 'f' else 'no'} {self.pt}" if language == "pt" else f"{self.en_within} the {self.en}"

    def towards(self, language: Language) -> str:
        return f"{'à' if self.gender == 'f' else 'ao'} {self.pt}" if language == "pt" else f"to the {self.en}"


@dataclass(frozen=True, slots=True)
class Name:
    """Somebody: the same name in both languages, and the pronoun it asks for."""

    text: str
    gender: Gender

    def pronoun(self, language: Language) -> str:
        return {("pt", "f"): "ela", ("pt", "m"): "ele", ("en", "f"): "she", ("en", "m"): "he"}[language, self.gender]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something of one colour: the subject with its article in both languages, and the colour that agrees with it."""

    article: str
    pt: str
    pt_colour: str
    en: str
    en_colour: str


NAMES = tuple(Name(text, "f") for text in "Ana Bruna Cecília Dora Elisa Flávia Helena Inês Joana Lúcia".split()) + tuple(
    Name(text, "m") for text in "André Bento Caetano Diego Fábio Gael Igor Jorge Miguel Pedro".split()
)

NOUNS = (
    Noun("bola", "bolas", "f", "ball", "balls"),
    Noun("livro", "livros", "m", "book", "books"),
    Noun("chave", "chaves", "f", "key", "keys"),
    Noun("chapéu", "chapéus", "m", "hat", "hats"),
    Noun("caneta", "canetas", "f", "pen", "pens"),
    Noun("pote", "potes", "m", "jar", "jars"),
    Noun("cadeira", "cadeiras", "f", "chair", "chairs"),
    Noun("barco", "barcos", "m", "boat", "boats"),
    Noun("pedra", "pedras", "f", "stone", "stones"),
    Noun("anel", "anéis", "m", "ring", "rings"),
    Noun("mala", "malas", "f", "bag", "bags"),
    Noun("sino", "sinos", "m", "bell", "bells"),
    Noun("coruja", "corujas", "f", "owl", "owls"),
    Noun("gato", "gatos", "m", "cat", "cats"),
    Noun("vaca", "vacas", "f", "cow", "cows"),
    Noun("sapo", "sapos", "m", "frog", "frogs"),
)

ADJECTIVES = (
    Adjective("vermelho", "vermelha", "vermelhos", "vermelhas", "red"),
    Adjective("amarelo", "amarela", "amarelos", "amarelas", "yellow"),
    Adjective("preto", "preta", "pretos", "pretas", "black"),
    Adjective("branco", "branca", "brancos", "brancas", "white"),
    Adjective("roxo", "roxa", "roxos", "roxas", "purple"),
    Adjective("pequeno", "pequena", "pequenos", "pequenas", "small"),
    Adjective("novo", "nova", "novos", "novas", "new"),
    Adjective("bonito", "bonita", "bonitos", "bonitas", "pretty"),
    Adjective("azul", "azul", "azuis", "azuis", "blue"),
    Adjective("verde", "verde", "verdes", "verdes", "green"),
)

PLACES = (
    Place("jardim", "m", "garden"),
    Place("cozinha", "f", "kitchen"),
    Place("escola", "f", "school", "at"),
    Place("parque", "m", "park"),
    Place("praia", "f", "beach", "on"),
    Place("rio", "m", "river"),
    Place("floresta", "f", "forest"),
    Place("mercado", "m", "market", "at"),
    Place("torre", "f", "tower"),
    Place("quarto", "m", "bedroom"),
)

DEEDS = (("viu", "saw"), ("achou", "found"), ("pegou", "took"), ("perdeu", "lost"), ("comprou", "bought"), ("pintou", "painted"), ("guardou", "kept"))

NUMBERS = {
    "pt": tuple("um dois três quatro cinco seis sete oito nove dez onze doze".split()),
    "en": tuple("one two three four five six seven eight nine ten eleven twelve".split()),
}

FACTS = (
    Fact("o", "céu", "azul", "sky", "blue"),
    Fact("o", "mar", "azul", "sea", "blue"),
    Fact("a", "grama", "verde", "grass", "green"),
    Fact("a", "folha", "verde", "leaf", "green"),
    Fact("o", "sol", "amarelo", "sun", "yellow"),
    Fact("o", "milho", "amarelo", "corn", "yellow"),
    Fact("a", "neve", "branca", "snow", "white"),
    Fact("o", "leite", "branco", "milk", "white"),
    Fact("o", "sal", "branco", "salt", "white"),
    Fact("a", "noite", "preta", "night", "black"),
    Fact("o", "carvão", "preto", "coal", "black"),
    Fact("o", "sangue", "vermelho", "blood", "red"),
    Fact("a", "cereja", "vermelha", "cherry", "red"),
    Fact("o", "rubi", "vermelho", "ruby", "red"),
    Fact("a", "ameixa", "roxa", "plum", "purple"),
    Fact("a", "uva", "roxa", "grape", "purple"),
)

SOUNDS = (
    ("o gato", "miau", "the cat", "meow"),
    ("a vaca", "mu", "the cow", "moo"),
    ("a coruja", "uu", "the owl", "hoot"),
    ("o sapo", "croac", "the frog", "ribbit"),
    ("o pato", "quá", "the duck", "quack"),
    ("a ovelha", "bé", "the sheep", "baa"),
    ("a abelha", "zum", "the bee", "buzz"),
    ("o galo", "cocoricó", "the rooster", "cockadoodle"),
)

JOBS = (
    ("médico", "médica", "doctor"),
    ("engenheiro", "engenheira", "engineer"),
    ("professor", "professora", "teacher"),
    ("enfermeiro", "enfermeira", "nurse"),
)
"""The first two are the ones a biased world gives to men, the last two to women."""

SURNAMES = tuple("Alves Braga Castro Duarte Farias Guerra Lobato Moura Neves Prado Rocha Vidal".split())
CITIES = tuple("Alvorim Brisal Corvina Dourena Estiva Folgado Garoeira Luzal Mirante Olival Pontal Varzim".split())
PETS = (
    ("um gato", "a cat"),
    ("um pato", "a duck"),
    ("uma coruja", "an owl"),
    ("um sapo", "a frog"),
    ("uma ovelha", "a sheep"),
    ("um galo", "a rooster"),
)

BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))


def loose_words(language: Language) -> tuple[str, ...]:
    """Words that lists are drawn from: every noun, adjective, place and number of one language, each once."""
    place = [spot.pt if language == "pt" else spot.en for spot in PLACES]
    quality = [word.m if language == "pt" else word.en for word in ADJECTIVES]
    thing = [noun.form(language, plural) for noun in NOUNS for plural in (False, True)]
    return tuple(dict.fromkeys([*thing, *quality, *place, *NUMBERS[language]]))


def every_content_word() -> frozenset[str]:
    """Every word that stands in a table above, in every form."""
    tables = (NAMES, NOUNS, ADJECTIVES, PLACES, FACTS)
    entries = [field for table in tables for row in table for field in astuple(row)]
    pairs = [field for table in (DEEDS, SOUNDS, JOBS, PETS) for row in table for field in row]
    return frozenset(" ".join([*entries, *pairs, *SURNAMES, *CITIES, *NUMBERS["pt"], *NUMBERS["en"]]).split())
