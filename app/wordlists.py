"""The English words that the checker treats as special."""

import re

STOPWORDS = frozenset(
    """
a an the this that these those such same own s t and or but nor so yet if then than as because while
although though since until unless whether when where why how who whom whose which what there here
i me my we us our you your he him his she her hers it its they them their theirs himself herself
itself themselves one ones someone something anyone anything everyone everything
is am are was were be been being do does did doing done have has had having will would shall should
can could may might must ought
of in on at by for with about against between into through during to from up out off over under
again further once onto upon within across along among around behind beyond near toward towards via per
not no never none neither cannot without unlike
also just only very too quite rather even still already however therefore thus moreover furthermore
additionally instead meanwhile yes well etc eg ie
all any both each few some many much several other others another more most less least
mr mrs ms dr
article text passage according says said say stated mentions mentioned reports reported
notes noted
""".split()
)

# Words that lean on the sentence before.
PRONOUNS = frozenset(
    "he she it they him her his hers its their them this these those such also both another other".split()
)

NEGATIONS = frozenset(
    """
not no never neither nor none nobody nothing cannot without unlike hardly barely failed fails fail
refused refuses refuse denied denies deny lack lacks lacked
""".split()
)

# "A rather than B" denies B.
INSTEAD = frozenset({("rather", "than"), ("instead", "of")})

# "not only A but B" denies nothing.
NOT_NEGATED = frozenset({"only", "just", "merely", "simply", "least", "necessarily"})

_OPPOSED = (
    ("increase increases increased increasing rise rises rose rising risen grow grows grew growing growth grown "
     "higher up upward gain gained expand expands expanded expanding boost boosted improve improved",
     "decrease decreases decreased decreasing fall falls fell falling fallen drop drops dropped decline declines "
     "declined declining reduce reduces reduced reducing reduction shrink shrinks shrank lower down downward "
     "worsen worsened"),
    ("more greater", "less fewer lesser"),
    ("most highest largest biggest greatest maximum best", "least lowest smallest fewest minimum worst"),
    ("before prior earlier preceded precedes precede preceding", "after later followed follows following"),
    ("always", "never rarely seldom"),
    ("big large major huge", "small little minor tiny"),
    ("strong stronger strongest", "weak weaker weakest"),
    ("win wins won victory winning", "lose loses lost defeat losing"),
    ("support supports supported favor favors favour favoured", "oppose opposes opposed opposition"),
    ("north northern", "south southern"),
    ("east eastern", "west western"),
    ("allow allows allowed permit permits permitted",
     "ban bans banned forbid forbids forbade forbidden prohibit prohibits prohibited"),
    ("include includes included including", "exclude excludes excluded excluding"),
    ("begin begins began begun start starts started open opens opened", "end ends ended close closes closed"),
    ("join joins joined enter entered", "leave leaves left exit exited"),
    ("born birth", "died death dead"),
    ("buy buys bought purchase purchased", "sell sells sold"),
    ("import imports imported", "export exports exported"),
    ("accept accepts accepted", "reject rejects rejected"),
    ("succeed succeeds succeeded success successful successfully", "failure failed fails fail unsuccessful"),
    ("early", "late"),
    ("young younger youngest", "old older oldest"),
    ("old", "new"),
    ("high", "low"),
    ("first", "last"),
    ("common", "rare uncommon"),
    ("possible", "impossible"),
    ("positive", "negative"),
    ("public", "private"),
    ("import", "export"),
    ("male men man", "female women woman"),
    ("inside internal", "outside external"),
    ("domestic", "foreign"),
    ("rich", "poor"),
    ("left", "right"),
)  # fmt: skip

# Word -> (which pair of opposites, which side).
OPPOSITES = {
    word: (pair, side)
    for pair, sides in reversed(list(enumerate(_OPPOSED)))
    for side, words in enumerate(sides)
    for word in words.split()
}

# One spelling for what texts spell in several ways; case matters ("us" is a pronoun).
ALIASES = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"\b(?:U\.S\.A?\.?|US|USA|America)(?!\w)", "United States"),
        (r"\b(?:U\.K\.|UK|Britain)(?!\w)", "United Kingdom"),
        (r"\b(?:U\.N\.|UN)(?!\w)", "United Nations"),
        (r"\b(?:E\.U\.|EU)(?!\w)", "European Union"),
        (r"\bDPRK\b", "North Korea"),
        (r"\bJan\.", "January"), (r"\bFeb\.", "February"), (r"\bMar\.", "March"), (r"\bApr\.", "April"),
        (r"\bAug\.", "August"), (r"\bSept?\.", "September"), (r"\bOct\.", "October"),
        (r"\bNov\.", "November"), (r"\bDec\.", "December"),
    )
)  # fmt: skip

CONTRACTIONS = tuple(
    (re.compile(pattern, re.IGNORECASE), plain)
    for pattern, plain in (
        (r"\bcan(?:no|')t\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"n't\b", " not"),
        (r"'(?:re|ve|ll|d|m)(?=\W|$)", " "),
        (r"'(?:s)?(?=\W|$)", " ' "),  # the mark stays: it ends a name
        (r"(?<=\d),(?=\d{3})", ""),
    )
)

# Words for a country that share no root with its name, as "Chinese" does with "China".
PLACES = {
    "dutch": "netherlands", "french": "france", "welsh": "wales", "greek": "greece", "swiss": "switzerland",
    "spanish": "spain", "thai": "thailand", "polish": "poland", "british": "kingdom", "american": "states",
    "americans": "states", "danish": "denmark", "turkish": "turkey", "burmese": "myanmar", "filipino": "philippines",
    "irish": "ireland", "finnish": "finland", "english": "england", "scottish": "scotland", "peruvian": "peru",
    # A capital stands for its government.
    "moscow": "russia", "beijing": "china", "tokyo": "japan", "pyongyang": "korea", "seoul": "korea",
    "kyiv": "ukraine", "tehran": "iran", "ankara": "turkey", "berlin": "germany", "paris": "france",
    "london": "britain", "delhi": "india", "hanoi": "vietnam", "jakarta": "indonesia",
}  # fmt: skip
