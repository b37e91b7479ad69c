"""Le vocabulaire de `phrases` : des mots qui commencent tous comme l'accord le demande.

Noms et adjectifs antéposés commencent par une consonne : ni élision, ni « bel » ou « cet ». Dans
une liste, le poids d'un mot décroît avec son rang, comme dans les textes (loi de Zipf).
"""

from __future__ import annotations

FEATURES = ("ms", "fs", "mp", "fp")  # genre et nombre : masculin ou féminin, singulier ou pluriel


def _table(text: str, columns: int) -> tuple[tuple[str, ...], ...]:
    words = text.split()
    return tuple(tuple(words[i : i + columns]) for i in range(0, len(words), columns))


# Noms : singulier, pluriel.
_BEINGS = {
    "m": _table(
        """chat chats voisin voisins garçon garçons chien chiens médecin médecins roi rois
        jardinier jardiniers facteur facteurs peintre peintres cheval chevaux soldat soldats
        marchand marchands cousin cousins berger bergers lapin lapins renard renards loup loups
        musicien musiciens danseur danseurs pêcheur pêcheurs fermier fermiers corbeau corbeaux""",
        2,
    ),
    "f": _table(
        """fille filles voisine voisines chatte chattes dame dames sœur sœurs reine reines
        jardinière jardinières factrice factrices tante tantes jument juments sorcière sorcières
        marchande marchandes cousine cousines bergère bergères poule poules vache vaches
        louve louves musicienne musiciennes danseuse danseuses princesse princesses
        fermière fermières pie pies""",
        2,
    ),
}
_THINGS = {
    "m": _table(
        """livre livres panier paniers chapeau chapeaux tableau tableaux gâteau gâteaux sac sacs
        ballon ballons bouquet bouquets journal journaux couteau couteaux miroir miroirs
        tambour tambours""",
        2,
    ),
    "f": _table(
        """lettre lettres lampe lampes clé clés pomme pommes chaise chaises fleur fleurs
        robe robes valise valises chanson chansons photo photos boîte boîtes cloche cloches""",
        2,
    ),
}
_PLACES = {
    "m": _table(
        """jardin jardins banc bancs pont ponts château châteaux moulin moulins mur murs
        bateau bateaux champ champs""",
        2,
    ),
    "f": _table(
        """maison maisons table tables fontaine fontaines grange granges cabane cabanes tour tours
        route routes rivière rivières""",
        2,
    ),
}

# Adjectifs : masculin singulier, féminin singulier, masculin pluriel, féminin pluriel.
_BEFORE = _table(
    """petit petite petits petites grand grande grands grandes jeune jeune jeunes jeunes
    vieux vieille vieux vieilles gros grosse gros grosses joli jolie jolis jolies
    pauvre pauvre pauvres pauvres nouveau nouvelle nouveaux nouvelles
    brave brave braves braves bon bonne bons bonnes""",
    4,
)
_MOODS = _table(
    """content contente contents contentes calme calme calmes calmes
    fatigué fatiguée fatigués fatiguées heureux heureuse heureux heureuses
    triste triste tristes tristes bavard bavarde bavards bavardes
    curieux curieuse curieux curieuses fier fière fiers fières timide timide timides timides
    prudent prudente prudents prudentes discret discrète discrets discrètes
    poli polie polis polies patient patiente patients patientes sage sage sages sages
    malin maligne malins malignes savant savante savants savantes""",
    4,
)
_LOOKS = _table(
    """rouge rouge rouges rouges blanc blanche blancs blanches noir noire noirs noires
    vert verte verts vertes vide vide vides vides propre propre propres propres
    neuf neuve neufs neuves lourd lourde lourds lourdes rond ronde ronds rondes
    sale sale sales sales doré dorée dorés dorées cassé cassée cassés cassées""",
    4,
)

# Verbes : singulier, pluriel. Les quatre derniers de la première liste sont aussi transitifs.
_INTRANSITIVE = _table(
    """dort dorment arrive arrivent chante chantent court courent part partent rit rient
    travaille travaillent tombe tombent danse dansent rêve rêvent marche marchent
    pleure pleurent sourit sourient voyage voyagent tremble tremblent revient reviennent
    nage nagent écoute écoutent attend attendent dessine dessinent peint peignent""",
    2,
)
_TRANSITIVE = _table(
    """regarde regardent cherche cherchent voit voient trouve trouvent suit suivent
    connaît connaissent oublie oublient admire admirent perd perdent surveille surveillent
    préfère préfèrent choisit choisissent reconnaît reconnaissent garde gardent
    écoute écoutent attend attendent dessine dessinent peint peignent""",
    2,
)
_COPULAS = _table("est sont semble semblent paraît paraissent reste restent devient deviennent", 2)

# Déterminants : masculin singulier, féminin singulier, pluriel.
_DEFINITE = _table(
    """le la les ce cette ces mon ma mes son sa ses ton ta tes notre notre nos leur leur leurs
    chaque chaque quelques""",
    3,
)
_INDEFINITE = _table("un une plusieurs", 3)

_FIXED = {
    "que": ("que",),
    "qui": ("qui",),
    "place": ("devant", "derrière", "dans", "sur", "sous", "vers"),
    "company": ("avec", "sans", "chez", "comme"),
    "adverb": ("souvent", "toujours", "parfois", "encore", "longtemps", "ici", "vite", "mal"),
    "degree": ("très", "trop", "assez", "plutôt", "si"),
}

_NOUNS = {"being": _BEINGS, "thing": _THINGS, "place": _PLACES}
_ADJECTIVES = {"before": _BEFORE, "being": _MOODS, "thing": _LOOKS, "place": _LOOKS}
_VERBS = {"intransitive": _INTRANSITIVE, "transitive": _TRANSITIVE, "copula": _COPULAS}


def fixed(kind: str) -> tuple[str, ...]:
    """Les mots invariables d'une sorte : « que », « qui », prépositions, adverbes."""
    return _FIXED[kind]


def determiners(features: str, indefinite: bool) -> tuple[str, ...]:
    """Les déterminants d'un genre et d'un nombre.

    Args:
        features: genre et nombre, parmi `FEATURES`.
        indefinite: avec « un », « une » et « plusieurs », qu'une élision exclut après « que ».
    """
    column = 2 if features[1] == "p" else "mf".index(features[0])
    rows = (*_INDEFINITE, *_DEFINITE) if indefinite else _DEFINITE
    return tuple(row[column] for row in rows)


def nouns(kind: str, features: str) -> tuple[str, ...]:
    """Les noms d'une sorte, dans l'ordre de leur poids.

    Args:
        kind: "being", "thing" ou "place".
        features: genre et nombre, parmi `FEATURES`.
    """
    return tuple(row["sp".index(features[1])] for row in _NOUNS[kind][features[0]])


def adjectives(kind: str, features: str) -> tuple[str, ...]:
    """Les adjectifs d'une sorte, dans l'ordre de leur poids.

    Args:
        kind: "before" (avant le nom), ou la sorte du nom qualifié, "being", "thing" ou "place".
        features: genre et nombre, parmi `FEATURES`.
    """
    return tuple(row[FEATURES.index(features)] for row in _ADJECTIVES[kind])


def verbs(kind: str, number: str) -> tuple[str, ...]:
    """Les verbes d'une sorte, dans l'ordre de leur poids.

    Args:
        kind: "intransitive", "transitive" ou "copula".
        number: "s" ou "p".
    """
    return tuple(row["sp".index(number)] for row in _VERBS[kind])
