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

BEING = frozenset("is are was were be been being".split())

NEGATIONS = frozenset(
    """
not no never neither nor none nobody nothing cannot without unlike hardly barely scarcely failed fails fail failing
refused refuses refuse denied denies deny denying lack lacks lacked lacking unable declined declines
""".split()
)

# "A rather than B" denies B.
INSTEAD = frozenset({("rather", "than"), ("instead", "of")})

# "not only A but B" denies nothing.
NOT_NEGATED = frozenset({"only", "just", "merely", "simply", "least"})

# Behind one of these a stem means the opposite: stemmed, "unabl" and "abl".
NEGATING_PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non", "de")

# Quantifier -> its kind, and the kinds that a text may not give where a claim gives this one.
QUANTIFIERS = {
    word: kind
    for kind, words in {
        "all": "all every each both entire whole", "most": "most", "some": "some many several few certain half partly",
        "none": "no none neither nobody",
    }.items()
    for word in words.split()
}  # fmt: skip
QUANTIFIED_OTHERWISE = {
    "all": frozenset({"most", "some", "none"}),
    "most": frozenset({"some", "none"}),
    "some": frozenset({"none"}),
    "none": frozenset({"all", "most", "some"}),
}

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
    ("inside internal internally", "outside external externally"),
    ("domestic", "foreign overseas"),
    ("rich wealthy richer", "poor poorer"),
    ("left", "right"),
    ("many numerous", "few"),
    ("often frequently commonly usually", "rarely seldom infrequently"),
    ("easy easily easier", "difficult hard harder"),
    ("fast faster quick quickly rapid rapidly", "slow slower slowly"),
    ("long longer", "short shorter"),
    ("heavy heavier", "light lighter"),
    ("wide wider broad broader", "narrow narrower"),
    ("deep deeper", "shallow shallower"),
    ("hot hotter warm warmer", "cold colder cool cooler"),
    ("wet wetter", "dry drier"),
    ("light bright brighter", "dark darker"),
    ("near nearby close closer", "far farther distant"),
    ("top upper", "bottom"),
    ("front", "rear back"),
    ("presence present", "absence absent"),
    ("true", "false"),
    ("legal legally lawful", "illegal illegally unlawful"),
    ("guilty convicted", "innocent acquitted"),
    ("safe safer", "dangerous unsafe"),
    ("cheap cheaper inexpensive", "expensive costly dearer"),
    ("good better", "bad worse"),
    ("simple simpler", "complex complicated"),
    ("permanent permanently", "temporary temporarily"),
    ("voluntary voluntarily", "compulsory mandatory obligatory forced"),
    ("optional", "required mandatory obligatory"),
    ("direct directly", "indirect indirectly"),
    ("natural naturally", "artificial artificially synthetic"),
    ("ancient", "modern"),
    ("urban", "rural"),
    ("active", "inactive passive dormant"),
    ("alive living survived survives survive", "dead died killed"),
    ("present", "past"),
    ("previous previously former formerly", "next subsequent subsequently"),
    ("beginning start", "end"),
    ("maximum upper", "minimum"),
    ("majority", "minority"),
    ("peace peaceful", "war"),
    ("ally allies allied friend friends", "enemy enemies foe foes"),
    ("love loves loved like likes liked", "hate hates hated dislike dislikes disliked"),
    ("agree agrees agreed", "disagree disagrees disagreed"),
    ("approve approves approved approval", "reject rejects rejected disapprove disapproved rejection veto vetoed"),
    ("confirm confirms confirmed", "denied deny denies refuted refute"),
    ("admit admits admitted", "denied deny denies"),
    ("praise praises praised", "criticise criticised criticize criticized criticism condemned blamed"),
    ("create creates created creation build builds built", "destroy destroys destroyed destruction demolished"),
    ("appear appears appeared", "disappear disappears disappeared vanish vanished"),
    ("arrive arrives arrived arrival", "depart departs departed departure"),
    ("enter enters entered entry", "exit exits exited"),
    ("hire hires hired recruit recruited appointed", "fire fires fired dismiss dismissed sacked"),
    ("lend lends lent lender", "borrow borrows borrowed borrower"),
    ("give gives gave given donate donated", "take takes took taken receive receives received"),
    ("send sends sent", "receive receives received"),
    ("push pushes pushed", "pull pulls pulled"),
    ("raise raises raised", "lower lowers lowered cut cuts"),
    ("increase increased strengthen strengthens strengthened", "weaken weakens weakened"),
    ("accelerate accelerates accelerated", "slow slows slowed decelerated"),
    ("add adds added addition", "remove removes removed removal subtract"),
    ("attach attached connect connected", "detach detached disconnect disconnected"),
    ("unite united merge merged", "divide divided split separate separated"),
    ("encourage encourages encouraged promote promotes promoted",
     "discourage discourages discouraged hinder hinders hindered prevent prevents prevented"),
    ("cause causes caused", "prevent prevents prevented"),
    ("activate activates activated activation", "inhibit inhibits inhibited inhibition deactivate"),
    ("enhance enhances enhanced promote promotes promoted", "impair impairs impaired suppress suppresses suppressed"),
    ("upregulate upregulated upregulates", "downregulate downregulated downregulates"),
    ("profit profits profitable", "losses unprofitable"),
    ("surplus", "deficit shortage"),
    ("income revenue revenues", "expenditure expenses spending"),
    ("optimistic", "pessimistic"),
    ("liberal", "conservative"),
    ("formal formally official officially", "informal informally unofficial unofficially"),
    ("conscious", "unconscious"),
    ("visible", "invisible hidden"),
    ("remember remembered", "forget forgot forgotten"),
    ("continue continues continued resume resumed", "stop stops stopped halt halted cease ceased suspended abandoned"),
    ("open opened", "closed shut"),
    ("full", "empty"),
    ("whole entire entirely fully completely", "partial partially partly"),
    ("same identical similar", "different distinct"),
    ("together jointly", "separately alone apart"),
    ("day daytime", "night"),
    ("morning", "evening afternoon"),
    ("summer", "winter"),
    ("spring", "autumn"),
    ("mother", "father"),
    ("husband", "wife"),
    ("son", "daughter"),
    ("brother", "sister"),
    ("king", "queen"),
    ("teacher", "student"),
    ("parent parents", "child children"),
    ("buyer buyers", "seller sellers"),
    ("export exporter exporters", "import importer importers"),
    ("employer employers", "employee employees"),
    ("upstream", "downstream"),
    ("clockwise", "counterclockwise anticlockwise"),
    ("horizontal horizontally", "vertical vertically"),
    ("northeast northeastern", "southwest southwestern"),
    ("northwest northwestern", "southeast southeastern"),
    ("ahead", "behind"),
    ("forward", "backward backwards"),
    ("interior", "exterior"),
    ("acquire acquires acquired", "sell sells sold divested"),
    ("independent independence", "dependent dependence"),
    ("sufficient enough adequate", "insufficient inadequate"),
    ("likely probable", "unlikely improbable"),
    ("equal", "unequal"),
    ("pass passes passed", "fail failed"),
    ("survive survived survivors", "perish perished victims"),
    ("elected re-elected", "defeated ousted"),
    ("release releases released freed", "arrest arrests arrested detain detained imprisoned jailed"),
    ("advance advances advanced", "retreat retreats retreated"),
    ("gain gains gained", "lose loses lost"),
)  # fmt: skip

# Word -> every (which pair of opposites, which side) that it has.
OPPOSITES: dict[str, tuple[tuple[int, int], ...]] = {}
for _pair, _sides in enumerate(_OPPOSED):
    for _side, _words in enumerate(_sides):
        for _word in _words.split():
            OPPOSITES[_word] = (*OPPOSITES.get(_word, ()), (_pair, _side))

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
# By which a text says of a number without a sign that it is one below zero: "it shrank by 5 %" is "-5 %".
FALLS = frozenset(
    """
fall falls fell falling fallen drop drops dropped decline declines declined decrease decreases decreased reduction
shrink shrinks shrank shrunk contract contracts contracted contraction lose loses lost loss losses down deficit negative
cut cuts cutting reduce reduces reduced reducing shortfall lower lowers lowered less fewer colder below slip slips
slipped slide slides slid dip dips dipped plunge plunges plunged tumble tumbles tumbled sink sinks sank sunk shed sheds
""".split()
)
