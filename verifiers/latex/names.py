"""The names that the grammar knows: functions, letters, relations, words."""

FUNCTIONS = frozenset(
    (
        "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh "
        "coth sech csch arcsinh arccosh arctanh ln log lg exp gcd lcm max min det Re Im arg "
        "sgn sign deg dim rank tr sup inf"
    ).split()
)
ALIASES = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "arsinh": "arcsinh", "cosec": "csc",
    "tg": "tan", "ctg": "cot", "arctg": "arctan", "sgn": "sign", "lb": "log", "asinh": "arcsinh",
}  # fmt: skip
INVERSES = {
    "sin": "arcsin", "cos": "arccos", "tan": "arctan", "cot": "arccot", "sec": "arcsec",
    "csc": "arccsc", "sinh": "arcsinh", "cosh": "arccosh", "tanh": "arctanh",
}  # fmt: skip
# Functions that a plain-text run of letters may name.
PLAIN_FUNCTIONS = frozenset(
    (
        "sin cos tan cot sec csc arcsin arccos arctan asin acos atan sinh cosh tanh ln log lg "
        "exp sqrt cbrt abs floor ceil gcd lcm max min binom factorial det"
    ).split()
)
CONSTANTS = {
    "pi": "pi", "infty": "inf", "infinity": "inf", "infin": "inf", "inf": "inf", "oo": "inf",
    "Infinity": "inf", "Pi": "pi",
}  # fmt: skip
PLAIN_CONSTANTS = frozenset("pi Pi infinity Infinity oo inf infty".split())
LETTERS = frozenset(
    (
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda "
        "mu nu xi rho varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta "
        "Theta Lambda Xi Sigma Upsilon Phi Psi Omega ell hbar imath jmath partial nabla aleph "
        "mho Pi wp"
    ).split()
)
DOTS = frozenset("ldots dots cdots dotsm dotsc dotsb vdots".split())
RELATIONS = {
    "=": "=", "==": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "=<": "<=", "=>": "=>",
    "!=": "!=", "<>": "!=", "->": "->",
    "le": "<=", "leq": "<=", "leqslant": "<=", "leqq": "<=", "lt": "<", "gt": ">", "ge": ">=",
    "geq": ">=", "geqslant": ">=", "geqq": ">=", "ne": "!=", "neq": "!=", "approx": "~",
    "simeq": "~", "doteq": "~", "cong": "cong", "sim": "sim", "equiv": "equiv", "in": "in",
    "notin": "notin", "to": "->", "rightarrow": "->", "mapsto": "->", "longrightarrow": "->",
    "implies": "=>", "Rightarrow": "=>", "iff": "iff", "Leftrightarrow": "iff",
    "subset": "subset", "subseteq": "subseteq", "supset": "supset", "propto": "propto",
    "parallel": "parallel", "perp": "perp", "equal": "=",
}  # fmt: skip
SET_OPERATIONS = {
    "cup": "union", "bigcup": "union", "cap": "intersection", "setminus": "difference",
    "backslash": "difference", "smallsetminus": "difference",
}  # fmt: skip
BIG = frozenset("sum prod int iint iiint oint lim bigcup bigcap limsup liminf".split())
ACCENTS = frozenset(
    (
        "overline bar hat widehat vec overrightarrow overleftrightarrow tilde widetilde dot "
        "ddot underline overarc wideparen overset underset"
    ).split()
)
FRACTIONS = frozenset(["frac", "dfrac", "tfrac", "cfrac"])
BINOMIALS = frozenset(["binom", "dbinom", "tbinom"])
BLACKBOARD = frozenset("R Z N Q C P".split())
MATRICES = frozenset("matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix array".split())
ALIGNED = frozenset(
    ("aligned align alignedat equation gathered gather split eqnarray multline flalign").split()
)
# One letter before a bracket that makes a function of it, whatever the bracket holds ...
FUNCTION_LETTERS = frozenset("f g h F G H phi psi varphi Phi Psi".split())
# ... or only where it holds a single letter or number, as in P(A) and y(t).
MAYBE_FUNCTION_LETTERS = frozenset(
    ("P Q R S T W E V L M N A B C D U X Y p q u v w y z a b s r T d sigma tau omega").split()
)
# Short words that are never a product of variables.
WORDS = frozenset(
    (
        "so but may can has was get our out how let per who use so that this which "
        "no yes odd even is are the of to if for all any not none east west up down left "
        "right it at by on as be he we an true false one two six ten day am pm"
    ).split()
)
# Words before an answer that add nothing to it.
LEADING = frozenset(("only", "exactly", "about", "approximately", "roughly", "="))
# Words after a number that change what is claimed: 7 is wrong, 7 at most, 7 unless x = 0.
QUALIFYING = frozenset(
    "not no never wrong false incorrect or maybe perhaps possibly unless if but either neither "
    "nor except than least most otherwise when where plus minus times to "
    "mod modulo base sure unsure certain likely unlikely probably guess also works alternatively "
    "versus vs wait actually incorrectly mistake error zero one two three four five six seven "
    "eight nine ten eleven twelve twenty half halves thirds fourth fourths fifth fifths sixth "
    "sixths tenth tenths".split()
)
# Words after a number that multiply it.
SCALES = {
    "dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9,
    "trillion": 10**12,
}  # fmt: skip
QUALIFIERS = ("for all", "for any", "for every", "for each", "for some")
AND, OR = "and", "or"
