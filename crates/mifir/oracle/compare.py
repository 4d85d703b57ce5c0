#!/usr/bin/env python3
"""Holds the checks of this crate against python-stdnum, on numbers that are made here.

    oracle/compare.py PATH_TO_VERDICTS [COUNT]

At least COUNT numbers (100,000) of every standard that python-stdnum knows: random ones with plausible dates, each with
every value of its last character, so that one of them has the right check. Where the two differ, the difference has to
be one of KNOWN; anything else is printed, and the exit code is 1.
"""

import importlib
import random
import subprocess
import sys
from collections import Counter

TODAY = "2026-11-21"
DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def digits(chance, count):
    return "".join(chance.choice(DIGITS) for _ in range(count))


def two(number):
    return f"{number % 100:02}"


def year(chance):
    return chance.randint(1850, 2060)


def month(chance, *added):
    """Mostly a month, with what some states add to it."""
    return chance.choice([chance.randint(1, 12)] * 9 + [chance.randint(0, 99)]) + chance.choice((0, *added))


def day(chance, *added):
    return chance.choice([chance.randint(1, 28)] * 8 + [chance.randint(29, 31), chance.randint(0, 99)]) + chance.choice(
        (0, *added)
    )


def be(chance):
    written = two(year(chance)) + two(month(chance)) + two(day(chance)) + digits(chance, 3)
    prefix = chance.choice(["", "2"])
    return written + f"{97 - int(prefix + written) % 97:02}"[0]


def be_bis(chance):
    written = two(year(chance)) + two(month(chance, 20, 40)) + two(day(chance)) + digits(chance, 3)
    prefix = chance.choice(["", "2"])
    return written + f"{97 - int(prefix + written) % 97:02}"[0]


def yymmdd(*added, after=0, before=""):
    def make(chance):
        head = chance.choice(before) if before else ""
        return head + two(year(chance)) + two(month(chance, *added)) + two(day(chance)) + digits(chance, after)

    return make


def ddmmyy(*added, after=0, signs=""):
    def make(chance):
        sign = chance.choice(signs) if signs else ""
        return two(day(chance, *added)) + two(month(chance)) + two(year(chance)) + sign + digits(chance, after)

    return make


def no(chance):
    body = ddmmyy(0, 0, 40, after=3)(chance)
    weights = (3, 7, 6, 1, 8, 9, 4, 5, 2)
    first = (11 - sum(w * int(d) for w, d in zip(weights, body)) % 11) % 11
    return body + (str(first % 10) if chance.random() < 0.9 else chance.choice(DIGITS))


def lv(chance):
    if chance.random() < 0.3:
        return "3" + digits(chance, 9)
    return two(day(chance)) + two(month(chance)) + two(year(chance)) + chance.choice("0122345") + digits(chance, 3)


def es(chance):
    return chance.choice(DIGITS * 2 + "KLMXYZXYZABCDEFGHJNPQRSUVWIOT") + digits(chance, 7)


def italy(chance):
    body = "".join(chance.choice(LETTERS) for _ in range(6)) + two(year(chance)) + chance.choice("ABCDEHLMPRST" * 3 + LETTERS)
    body += two(day(chance, 0, 40)) + chance.choice(LETTERS) + digits(chance, 3)
    if chance.random() < 0.3:
        places = chance.sample([6, 7, 9, 10, 12, 13, 14], chance.randint(1, 7))
        body = "".join("LMNPQRSTUV"[int(c)] if at in places else c for at, c in enumerate(body))
    return body


def nl(chance):
    some = LETTERS if chance.random() < 0.8 else LETTERS + DIGITS
    return "".join(chance.choice(some) for _ in range(2)) + "".join(chance.choice(LETTERS + DIGITS) for _ in range(6))


def se(chance):
    rest = two(month(chance)) + two(day(chance, 0, 0, 60)) + digits(chance, 3)
    return chance.choice([str(year(chance)), two(year(chance)), str(chance.randint(1000, 3000))]) + rest


def dashed(value):
    """The short form of a Swedish number as it is written."""
    return value[:6] + "-" + value[6:] if len(value) == 10 else value


def si(chance):
    return two(day(chance)) + two(month(chance)) + f"{year(chance) % 1000:03}" + chance.choice(["50", digits(chance, 2)]) + digits(chance, 3)


# country, standard, module of python-stdnum, what is made, its last characters
STANDARDS = [
    ("BE", "NN", "be.nn", be, DIGITS),
    ("BE", "BIS", "be.bis", be_bis, DIGITS),
    ("BG", "EGN", "bg.egn", yymmdd(20, 40, after=3), DIGITS),
    ("CZ", "RC", "cz.rc", yymmdd(50, 20, 70, after=3), DIGITS),
    ("SK", "RC", "sk.rc", yymmdd(50, 20, 70, after=2), DIGITS),
    ("DK", "CPR", "dk.cpr", ddmmyy(60, after=3), DIGITS),
    ("EE", "IK", "ee.ik", yymmdd(before="123456789", after=3), DIGITS),
    ("LT", "AK", "lt.asmens", yymmdd(before="12345678", after=3), DIGITS),
    ("ES", "NIF", "es.nif", es, LETTERS + DIGITS),
    ("FI", "HETU", "fi.hetu", ddmmyy(after=3, signs="+-YXWVUABCDEFG"), DIGITS + LETTERS),
    ("HR", "OIB", "hr.oib", lambda chance: digits(chance, 10), DIGITS),
    ("IS", "KENNITALA", "is_.kennitala", ddmmyy(40, after=3), "890" + DIGITS),
    ("IT", "CF", "it.codicefiscale", italy, LETTERS),
    ("LV", "PK", "lv.pvn", lv, DIGITS),
    ("NL", "IDCARD", "nl.identiteitskaartnummer", nl, DIGITS + "AO"),
    ("NO", "FNR", "no.fodselsnummer", no, DIGITS),
    ("PL", "PESEL", "pl.pesel", yymmdd(20, 40, 60, 80, after=4), DIGITS),
    ("PL", "NIP", "pl.nip", lambda chance: digits(chance, 9), DIGITS),
    ("PT", "NIF", "pt.nif", lambda chance: chance.choice("123456789") + digits(chance, 7), DIGITS),
    ("RO", "CNP", "ro.cnp", yymmdd(before="123456789", after=5), DIGITS),
    ("SE", "PNR", "se.personnummer", se, DIGITS),
    ("SI", "EMSO", "si.emso", si, DIGITS),
]

# Where the two are known to differ: what we refuse and python-stdnum takes, by our codes; then the other way round.
STRICTER = {
    "NN": {"serial", "future_date"},
    "BIS": {"serial", "future_date"},
    "EGN": {"future_date"},
    # The day there is the machine's, the day here TODAY.
    "CPR": {"future_date"},
    "RC": {"date", "century", "future_date"},
    "IK": {"future_date", "century"},
    "AK": {"future_date", "century"},
    "NIF": {"kind"},
    "HETU": {"future_date"},
    "KENNITALA": {"future_date", "kind"},
    "CF": {"date"},
    "PK": {"future_date", "century"},
    "FNR": {"date"},
    "PESEL": {"future_date"},
    "CNP": {"future_date", "century"},
    "PNR": {"future_date", "century"},
    "EMSO": {"future_date"},
}
LAXER = {
    # BIS numbers have a module of their own there.
    "NN": lambda value, soft: "holder" in soft,
    # The county is a rule there, and soft here.
    "CNP": lambda value, soft: "county" in soft,
    # A century of 8 is not known there.
    "KENNITALA": lambda value, soft: value.endswith("8"),
    # Only codes that begin with 32 are.
    "PK": lambda value, soft: value[0] == "3" and value[1] not in "012",
    "PNR": lambda value, soft: "holder" in soft,
}


def main():
    verdicts = sys.argv[1]
    least = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    chance = random.Random(20261121)
    failures = 0
    for country, key, module, make, last in STANDARDS:
        theirs = importlib.import_module(f"stdnum.{module}").is_valid
        values = []
        while len(values) < least:
            body = make(chance)
            values += [dashed(body + c) if key == "PNR" else body + c for c in dict.fromkeys(last)]
        lines = "".join(f"{country} {key} {value}\n" for value in values)
        told = subprocess.run([verdicts, TODAY], input=lines, capture_output=True, text=True, check=True).stdout
        counts = Counter()
        for value, line in zip(values, told.splitlines(), strict=True):
            hard, soft, *_ = line.split("\t")
            hard, soft = set(filter(None, hard.split(","))), set(filter(None, soft.split(",")))
            # Soft here, and a rule there.
            ruled = soft & ({"check_digit", "unissued"} if key == "KENNITALA" else {"check_digit"})
            ours = not hard and not ruled
            # Legal entities of Latvia are taken there.
            entity = key == "PK" and value[0] in "456789"
            if ours == theirs(value):
                counts["valid" if ours else "invalid"] += 1
            elif not ours and (entity or hard | ruled <= STRICTER.get(key, set())):
                counts["known: " + ("entity" if entity else ",".join(sorted(hard)))] += 1
            elif ours and key in LAXER and LAXER[key](value, soft):
                counts["known: taken"] += 1
            else:
                counts["DIFFERENT"] += 1
                if counts["DIFFERENT"] <= 5:
                    print(f"  {country} {key} {value}: {line!r}, python-stdnum: {not ours}")
        failures += counts["DIFFERENT"]
        print(f"{country} {key}: {len(values)} numbers, {dict(counts)}")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
