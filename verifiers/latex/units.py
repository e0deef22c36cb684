"""Units of measure: their spellings, what they measure, and their size in base units.

A unit that no table knows ("5 apples") is a label: it measures only itself.
"""

import re
from fractions import Fraction
from typing import NamedTuple


class Unit(NamedTuple):
    """A unit: its size in the base unit of `dimension`.

    Attributes:
        size: exact, or None where it is irrational (degrees: a multiple of pi).
        dimension: what it measures; `""` is a pure number.
    """

    size: Fraction
    dimension: str


def _table() -> tuple[dict[str, Unit], dict[str, str]]:
    units: dict[str, Unit] = {}
    spellings: dict[str, str] = {}
    for dimension, rows in _ROWS.items():
        for row in rows:
            size, names = row.split(None, 1)
            first, *others = names.split(",")
            units[first] = Unit(Fraction(size), dimension)
            spellings.update({name.strip(): first for name in (first, *others)})
    return units, spellings


_ROWS = {
    "length": (
        "1 m,meter,meters,metre,metres", "1/100 cm,centimeter,centimeters,centimetre,centimetres",
        "1/1000 mm,millimeter,millimeters,millimetre,millimetres", "1/10 dm,decimeter,decimeters",
        "1000 km,kilometer,kilometers,kilometre,kilometres", "127/5000 inch,inches,in",
        "381/1250 ft,foot,feet", "1143/1250 yd,yard,yards", "201168/125 mi,mile,miles",
        "1/1000000 µm,micrometer,micrometers", "1/1000000000 nm,nanometer,nanometers",
    ),
    "mass": (
        "1 kg,kilogram,kilograms", "1/1000 g,gram,grams,gm,gms",
        "1/1000000 mg,milligram,milligrams",
        "45359237/100000000 lb,lbs,pound-mass", "1000 tonne,tonnes",
        "45359237/1600000000 oz,ounce,ounces",
    ),
    "time": (
        "1 s,sec,secs,second,seconds", "60 min,mins,minute,minutes", "3600 h,hr,hrs,hour,hours",
        "86400 day,days", "604800 week,weeks", "1/1000 ms,millisecond,milliseconds",
        "31557600 year,years,yr,yrs", "2629800 month,months",
    ),
    "dollar": (
        "1 dollar,dollars,USD,usd,bucks", "1/100 cent,cents,¢",
    ),
    "volume": (
        "1/1000 L,l,liter,liters,litre,litres", "1/1000000 mL,ml,milliliter,milliliters,cc",
        "473176473/125000000000 gal,gallon,gallons",
    ),
    "speed": ("1397/3125 mph", "5/18 kph,kmh"),
    "charge": ("1 coulomb,coulombs",), "current": ("1 ampere,amperes,A,amps",),
    "force": ("1 N,newton,newtons",), "energy": ("1 J,joule,joules", "1000 kJ"),
    "power": ("1 W,watt,watts", "1000 kW"), "potential": ("1 V,volt,volts",),
    "resistance": ("1 ohm,ohms",), "pressure": ("1 Pa,pascal,pascals",),
    "frequency": ("1 Hz,hertz",), "temperature": ("1 K,kelvin,kelvins",),
    "celsius": ("1 °C,celsius",), "fahrenheit": ("1 °F,fahrenheit",),
    "amount": ("1 mol,mole,moles",),
    "euro": ("1 euro,euros",), "pound": ("1 pound,pounds",), "yen": ("1 yen",),
    "yuan": ("1 yuan",), "rupee": ("1 rupee,rupees",),
    "": ("1 unit,units", "1 rad,radian,radians"),
}  # fmt: skip

UNITS, SPELLINGS = _table()
# Angles and percent are handled by name: pi is irrational, and both may be left out.
DEGREE, ARCMINUTE, ARCSECOND, PERCENT, RADIAN = "degree", "arcminute", "arcsecond", "percent", "rad"
SPELLINGS |= dict.fromkeys(("degree", "degrees", "deg", "°"), DEGREE)
SPELLINGS |= dict.fromkeys(("percent", "percentage", "pct", "percents", "%"), PERCENT)

# Dimensions that are powers of another, so that 1 L is 1000 cm^3 and 36 km/h is 10 m/s.
DERIVED = {"volume": (("length", 3),), "speed": (("length", 1), ("time", -1))}

# Letters that are more often variables: a unit only where written upright or as a word.
SHORT = frozenset(name for name in SPELLINGS if len(name) == 1) | {
    "mi", "ml", "mg", "in", "gm", "ms", "oz", "cc", "nm", "yd", "lb", "kg", "yr", "Pa", "kJ", "kW",
}  # fmt: skip
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_WORD = re.compile(r"[A-Za-zµ°¢%]+|/|\^?\{?-?\d\}?")


def read_units(words: str) -> list[tuple[str, int]]:
    """The units that words after a number name, each with its exponent.

    Words that no table knows become one label, in lower case and singular.

    >>> read_units("square centimeters")
    [('cm', 2)]
    >>> read_units("miles per hour")
    [('mi', 1), ('h', -1)]
    >>> read_units(" red apples")
    [('label:apple red', 1)]
    """
    found: list[tuple[str, int]] = []
    power, sign = 1, 1
    parts = _WORD.findall(words)
    for part in parts:
        lower = part.lower()
        name = SPELLINGS.get(part) or SPELLINGS.get(lower)
        if lower in ("per", "/"):
            sign = -1
        elif part.strip("^{}-").isdigit():
            if not found or found[-1][0].startswith("label"):
                return [label(parts)]
            last, exponent = found.pop()
            found.append((last, exponent * int(part.strip("^{}"))))
        elif lower in _POWERS:
            power = _POWERS[lower]
        elif lower in ("squared", "cubed") and found:
            last, exponent = found.pop()
            found.append((last, exponent * (2 if lower == "squared" else 3)))
        elif name is not None:
            found.append((name, sign * power))
            power, sign = 1, 1
        else:
            return [label(parts)]
    return found or [label(parts)]


_FILLERS = frozenset("the a an of in is are or so only about each total more".split())
_ORDINALS = frozenset(["th", "st", "nd", "rd"])


def label(words: list[str]) -> tuple[str, int]:
    """Words as one unit that measures only itself."""
    plain = sorted({singular(word.lower()) for word in words} - _FILLERS - _ORDINALS)
    return "label:" + " ".join(plain), 1


def singular(word: str) -> str:
    """A rough singular: enough that apples and apple are one label."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
