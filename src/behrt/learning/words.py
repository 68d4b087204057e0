"""What a BEHRT reads: the words of a patient, their masks, and their packing into rows.

Nothing here needs torch.
"""

from dataclasses import dataclass

import numpy as np

from behrt.errors import InputError
from behrt.learning.examples import Examples
from behrt.learning.packing import pack
from behrt.ragged import ragged_ranges, ragged_take
from behrt.sequences.vocabulary import CLS, FIRST_DISEASE, MASK, PAD, SEP
from behrt.settings.behrt import Masking, Settings

AGES = 110 * 12 + 1
"""Number of ages: months up to 110 years. Older patients are read as 110."""

SPECIAL_TARGETS = (CLS, SEP)
"""Special tokens that the paper's released code masks and predicts, in the order of their logits.
"""

ROW_MULTIPLE = 8
"""The length of a row is a multiple of this number, which GPUs compute faster."""


@dataclass(frozen=True)
class Words:
    """The sequences of some patients, end to end; patient i has words offsets[i]:offsets[i + 1].

    Attributes:
        offsets: int64 (patients + 1).
        tokens: int64 (words), as in the vocabulary.
        ages: int64 (words), months, 0 … AGES − 1.
        visits: int64 (words), the index of the word's visit among those that fit.
    """

    offsets: np.ndarray
    tokens: np.ndarray
    ages: np.ndarray
    visits: np.ndarray

    def of(self, patients: slice) -> "Words":
        """Return those of some patients, one after the other."""
        offsets = self.offsets[patients.start : patients.stop + 1]
        words = slice(offsets[0], offsets[-1])
        return Words(offsets - offsets[0], self.tokens[words], self.ages[words], self.visits[words])


def words_of(
    examples: Examples,
    rows: np.ndarray,
    max_length: int,
    closing_mask: bool,
) -> Words:
    """Return CLS v1 SEP v2 SEP … vn SEP for each patient at `rows`.

    CLS has the age and index of the first visit, SEP those of the visit before it. A history longer
    than `max_length` keeps the latest whole visits that fit. If the latest visit is longer,
    its first words in the order of the vocabulary are kept, diseases before others.

    Args:
        examples: the patients.
        rows: int64 (patients), indices of patients.
        max_length: words per patient, at most.
        closing_mask: append MASK SEP as visit n + 1, at the age of visit n.

    Raises:
        InputError: a patient has no visit.
    """
    visits, visit_offsets = ragged_take(examples.visit_offsets, rows)
    words, _ = _words_of_visits(examples, visits, visit_offsets, max_length, closing_mask)
    return words


def _words_of_visits(
    examples: Examples,
    visits: np.ndarray,
    visit_offsets: np.ndarray,
    max_length: int,
    closing_mask: bool,
) -> tuple[Words, np.ndarray]:
    """Return what `words_of` does of some visits, and those that fit, int64, by their number.

    Args:
        examples: the patients.
        visits: int64, visits by their number in `examples`, in order of patient and time.
        visit_offsets: int64 (patients + 1), the visits of each patient.
        max_length, closing_mask: as for `words_of`.
    """
    counts = np.diff(visit_offsets)
    rows = np.arange(len(counts))
    if not counts.all():
        raise InputError("examples", "a patient has no visit", "Draw the tasks again")
    space = max_length - 1 - 2 * closing_mask
    sizes = examples.code_offsets[visits + 1] - examples.code_offsets[visits] + 1
    total = np.cumsum(sizes)
    words_to_the_end = np.repeat(total[visit_offsets[1:] - 1], counts) - total + sizes
    kept = words_to_the_end <= space
    kept[visit_offsets[1:] - 1] = True

    patient = np.repeat(np.arange(len(rows)), counts)[kept]
    visits, sizes = visits[kept], np.minimum(sizes[kept], space)
    counts = np.bincount(patient, minlength=len(rows))
    first = np.cumsum(counts) - counts
    index = np.arange(len(visits)) - first[patient]
    lengths = 1 + 2 * closing_mask + np.bincount(patient, sizes, len(rows)).astype(np.int64)
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])

    before = np.cumsum(sizes) - sizes
    starts = offsets[patient] + 1 + before - before[first][patient]
    places, _ = ragged_ranges(starts, sizes)
    age_of_visit = np.minimum(examples.visit_age[visits].astype(np.int64), AGES - 1)
    tokens = np.empty(offsets[-1], dtype=np.int64)
    ages, index_of_word = np.empty_like(tokens), np.empty_like(tokens)
    ages[places], index_of_word[places] = np.repeat(age_of_visit, sizes), np.repeat(index, sizes)
    tokens[starts + sizes - 1] = SEP
    code_places, _ = ragged_ranges(starts, sizes - 1)
    codes, _ = ragged_ranges(examples.code_offsets[visits], sizes - 1)
    tokens[code_places] = examples.codes[codes].astype(np.int64) + FIRST_DISEASE
    opening = offsets[:-1]
    tokens[opening], ages[opening], index_of_word[opening] = CLS, age_of_visit[first], 0
    if closing_mask:
        for place, token in ((offsets[1:] - 2, MASK), (offsets[1:] - 1, SEP)):
            tokens[place] = token
            ages[place], index_of_word[place] = age_of_visit[first + counts - 1], counts
    return Words(offsets, tokens, ages, index_of_word), visits


def words_of_cuts(
    examples: Examples,
    rows: np.ndarray,
    max_length: int,
    visits: np.ndarray,
    patient: np.ndarray,
) -> tuple[Words, np.ndarray, np.ndarray]:
    """Return the words of some patients up to their last cut, and where each cut is.

    The words of all cuts of a patient must fit `max_length`. A visit without a word, which a model
    of some inputs may have, is left out. But if a cut follows it, it is one MASK, with the index
    of the visit with words that comes next: the cut is read there, and no other word may see it
    (`behrt.learning.attention.in_forecast`).

    Args:
        examples: the patients.
        rows: int64 (patients), indices of patients.
        max_length: words per patient, at most.
        visits: int64 (cuts), the last visit before each cut, by its number in `examples`, in order
            of patient and time.
        patient: int64 (cuts), each cut's patient, its place in `rows`. Each patient has a cut.

    Returns:
        The words; int64 (words), the visit of each, by its number in `examples`; int64 (cuts), the
        place of the cut's SEP or MASK among the words.
    """
    starts = examples.visit_offsets[rows]
    ends = visits[np.searchsorted(patient, np.arange(len(rows)), side="right") - 1] + 1
    chosen, offsets = ragged_ranges(starts, ends - starts)
    empty = examples.code_offsets[chosen + 1] == examples.code_offsets[chosen]
    if some_empty := bool(empty.any()):
        kept = ~empty | np.isin(chosen, visits)
        offsets = np.concatenate([[0], kept.cumsum()])[offsets]
        chosen = chosen[kept]
    words, fitting = _words_of_visits(examples, chosen, offsets, max_length, False)
    counts = words.visits[words.offsets[1:] - 1] + 1  # visits of each patient that fit
    separators = np.flatnonzero(words.tokens == SEP)  # one per visit
    order = np.argsort(fitting)
    read = separators[order[np.searchsorted(fitting, visits, sorter=order)]]
    first = np.repeat(counts.cumsum() - counts, np.diff(words.offsets))
    visit = fitting[first + words.visits]
    if some_empty:
        empty = examples.code_offsets[fitting + 1] == examples.code_offsets[fitting]
        words.tokens[separators[empty]] = MASK
        before = np.concatenate([[0], empty.cumsum()])
        words.visits[:] -= before[first + words.visits] - before[first]
    return words, visit, read


def words_to_predict(
    examples: Examples, rows: np.ndarray, settings: Settings
) -> tuple[Words, np.ndarray]:
    """Return the words that a classifier reads for the patients at `rows`.

    Returns:
        The words; int64 (patients), the place of CLS (read-out `cls`) or of the closing MASK
        (read-out `mask`) among them.
    """
    masked = settings.readout == "mask"
    words = words_of(examples, rows, settings.max_length, masked)
    return words, words.offsets[1:] - 2 if masked else words.offsets[:-1]


def patients_cut(examples: Examples, settings: Settings, closing_mask: bool) -> int:
    """Return the number of patients whose latest visit has more words than fit."""
    end = examples.visit_offsets[1:]
    words = examples.code_offsets[end] - examples.code_offsets[end - 1]
    cut = words > settings.max_length - 2 - 2 * closing_mask
    return len(np.unique(examples.subject_id[cut]))


def mask_words(
    words: Words,
    masking: Masking,
    n_words: int,
    generator: np.random.Generator,
    special_targets: bool = False,
    read: np.ndarray | None = None,
) -> tuple[Words, np.ndarray, np.ndarray]:
    """Mask some words: paper, Methods, "Pre-training BEHRT using masked language model".

    With `special_targets`, CLS and SEP are masked like other words, as in the released code. A word
    is replaced by one of `read` (int64; None for all), since a word of an input that a model does
    not read would show that it is not the right one.

    >>> tokens = np.array([CLS, FIRST_DISEASE, FIRST_DISEASE + 2, SEP])
    >>> words = Words(np.array([0, 4]), tokens, np.full(4, 616), np.zeros(4, dtype=np.int64))
    >>> everything = Masking(mask=1, random=0)
    >>> masked, places, targets = mask_words(words, everything, 3, np.random.default_rng(0))
    >>> masked.tokens.tolist(), places.tolist(), targets.tolist()
    ([1, 3, 3, 2], [1, 2], [0, 2])

    Returns:
        The words with some replaced (places do not change, nor CLS and SEP without
        `special_targets`); the places of the replaced words (int64); the words that were there
        (int64, indices below `n_words`; those of CLS and SEP follow, in the order of
        `SPECIAL_TARGETS`).
    """
    special = np.isin(words.tokens, SPECIAL_TARGETS) & special_targets
    maskable = np.flatnonzero((words.tokens >= FIRST_DISEASE) | special)
    draw = generator.random(len(maskable))
    hidden = maskable[draw < masking.mask + masking.random]
    replaced = maskable[(draw >= masking.mask) & (draw < masking.mask + masking.random)]
    targets = words.tokens[hidden] - FIRST_DISEASE
    for place, token in enumerate(SPECIAL_TARGETS):
        targets[words.tokens[hidden] == token] = n_words + place
    tokens = words.tokens.copy()
    tokens[hidden] = MASK
    drawn = generator.integers(n_words if read is None else len(read), size=len(replaced))
    tokens[replaced] = FIRST_DISEASE + (drawn if read is None else read[drawn])
    return Words(words.offsets, tokens, words.ages, words.visits), hidden, targets


def packed_rows(words: Words, read: np.ndarray, **more: np.ndarray) -> dict[str, np.ndarray]:
    """Pack sequences into rows, as the arguments of `behrt.learning.encoder.Encoder.forward`.

    >>> words = Words(
    ...     offsets=np.array([0, 3, 6]),
    ...     tokens=np.array([CLS, 7, SEP, CLS, 5, SEP]),
    ...     ages=np.array([616, 616, 616, 700, 700, 700]),
    ...     visits=np.zeros(6, dtype=np.int64),
    ... )
    >>> rows = packed_rows(words, read=words.offsets[:-1])
    >>> rows["tokens"].tolist(), rows["patients"].tolist(), rows["read"].tolist()
    ([[1, 7, 2, 1, 5, 2, 0, 0]], [[0, 0, 0, 1, 1, 1, -1, -1]], [0, 3])

    Args:
        words: the sequences.
        read: int64 (m), the words whose hidden vectors are read out.
        **more: int (words), further numbers of each word.

    Returns:
        tokens, ages, visits, patients: int32 (rows, length); a place without a word has token PAD
        and patient −1. read: int64 (m), the places of the words in the rows laid end to end.
        The further numbers, by name: int32 (rows, length), 0 at a place without a word.
    """
    lengths = np.diff(words.offsets)
    row_length = -(-int(lengths.max()) // ROW_MULTIPLE) * ROW_MULTIPLE
    starts = pack(lengths, row_length)
    places, _ = ragged_ranges(starts, lengths)
    rows = int(places.max()) // row_length + 1
    patients = np.repeat(np.arange(len(lengths)), lengths)

    def laid_out(values: np.ndarray, empty: int) -> np.ndarray:
        flat = np.full(rows * row_length, empty, dtype=np.int32)
        flat[places] = values
        return flat.reshape(rows, row_length)

    return {
        "tokens": laid_out(words.tokens, PAD),
        "ages": laid_out(words.ages, 0),
        "visits": laid_out(words.visits, 0),
        "patients": laid_out(patients, -1),
        "read": places[read],
        **{name: laid_out(values, 0) for name, values in more.items()},
    }
