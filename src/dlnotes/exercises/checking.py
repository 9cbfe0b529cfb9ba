"""Try an answer, and name the mistake that it makes."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations

import numpy as np

from dlnotes.exercises import wording
from dlnotes.exercises.catalog import named
from dlnotes.exercises.exercise import Answer, Case, Exercise, Feedback
from dlnotes.exercises.results import is_single, parts
from dlnotes.exercises.running import TRIALS, Outcome, alike, run, trials

Trial = tuple[Case, Outcome, Outcome]  # an input, what was given, what was wanted
Explains = Callable[[Case, Outcome, Outcome], bool]  # whether a trial shows a mistake

# The least share of the wrong results that a mistake must explain to be named: more
# of whole numbers, which may be the same by accident.
PARTLY, PARTLY_WHOLE = 0.25, 0.75
# The least share that a mistake must explain which fails for all the others.
PARTLY_ALONE = 1 / 3
NOT_ALONE = "But that alone does not explain your result for every input."
IN_SINGLE = (
    "Right, but in single precision (float32), where the inputs are in double: only "
    "about seven digits agree."
)


def check(exercise: Exercise | str, answer: Answer, count: int = TRIALS) -> Feedback:
    """Try an answer on random inputs and say what is wrong with it, if anything.

    Parameters
    ----------
    exercise
        An exercise, or its name.
    answer
        A function that does what the exercise asks for.  Its parameters may have other
        names; what it returns may be of another library.
    count
        How many inputs to try.

    Returns
    -------
    Feedback
        Whether the answer is right, and what to tell its author.

    Raises
    ------
    ValueError
        If there is no exercise of that name.

    Examples
    --------
    >>> from dlnotes.exercises import Exercise, Mistake
    >>> double = Exercise(
    ...     name="double",
    ...     section="arithmetic",
    ...     task="Double every number.",
    ...     solution=lambda x: 2 * x,
    ...     inputs=lambda rng: {"x": rng.integers(1, 9, size=2)},
    ...     mistakes=(Mistake(lambda x: x**2, "That is the square."),),
    ... )
    >>> check(double, lambda x: x + x)
    Right.
    >>> check(double, lambda x: x * x)
    That is the square.
    Seen for x = [7, 6].
    >>> check(double, lambda x: x).message
    'Its result at [0] is 7 instead of 14; 2 of 2 numbers differ.'
    """
    if isinstance(exercise, str):
        exercise = named(exercise)
    cases, wanted = trials(exercise, count)
    given = [run(answer, c, w) for c, w in zip(cases, wanted, strict=True)]
    wrong = [
        k
        for k in range(count)
        if not alike(given[k], wanted[k], single=_single(cases[k]))
    ]
    if not wrong:
        return Feedback(right=True, message=_remarks(cases, given, wanted))
    told = list(zip(cases, given, wanted, strict=True))
    message, explains = _named(exercise, told, [told[k] for k in wrong])
    shown = [k for k in wrong if explains(*told[k])] or wrong
    hardly = [wording.nearly(g, w) for g, w in zip(given, wanted, strict=True)]
    k = min(shown, key=lambda k: (hardly[k], _single(cases[k]), *_size(cases[k])))
    if not message:
        said = wording.difference(given[k], wanted[k], answer, exercise.signature)
        hint = exercise.hint if wording.miscalculated(given[k], wanted[k]) else ""
        message = f"{said}\n{hint}".strip()
    return Feedback(right=False, message=message, case=wording.described(cases[k]))


def _remarks(
    cases: Sequence[Case], given: Sequence[Outcome], wanted: Sequence[Outcome]
) -> str:
    """Say that an answer is right, and what else there is to say."""
    for case, outcome in zip(cases, given, strict=True):
        if any(is_single(value) for _, value in outcome.parts) and not _single(case):
            return IN_SINGLE
    noise = set().union(
        *(g.warned - w.warned for g, w in zip(given, wanted, strict=True))
    )
    return f"Right, though it warns: {min(noise)}." if noise else "Right."


def _single(case: Case) -> bool:
    """Tell whether an input is in single precision."""
    return any(is_single(value) for _, value in parts(case))


def _size(case: Case) -> tuple[int, int]:
    """Count the numbers of an input, and add up its settings that are whole numbers."""
    values = [value for _, value in parts(case)]
    settings = [abs(value) for value in values if isinstance(value, int)]
    return sum(map(np.size, values)), sum(settings)


def _named(
    exercise: Exercise, tried: Sequence[Trial], wrong: Sequence[Trial]
) -> tuple[str, Explains]:
    """Say what mistake an answer made, if known, and tell which trials show it."""
    if all(given.error for _, given, _ in tried):
        return "", _everywhere
    if message := _recognized(exercise, tried):
        return message, _everywhere
    if ratio := wording.multiple((given, wanted) for _, given, wanted in wrong):
        said = f"Its result is {ratio} times what it should be.\n{exercise.hint}"
        return said.strip(), _everywhere
    for mistake in exercise.mistakes:
        shares = [_explained(mistake.wrong, each) for each in (tried, wrong)]
        if min(shares) >= PARTLY_ALONE:
            return mistake.message, partial(_agrees, mistake.wrong)
    return _likely(exercise, wrong)


def _recognized(exercise: Exercise, tried: Sequence[Trial]) -> str:
    """Name the mistake, or the two mistakes, that every trial shows; '' if unknown."""
    for mistake in exercise.mistakes:
        if all(_agrees(mistake.wrong, *trial) for trial in tried):
            return mistake.message
    for one, two in combinations(exercise.mistakes, 2):
        both = _both(one.wrong, two.wrong)
        if both and all(_agrees(both, *trial) for trial in tried):
            return f"Two things. {one.message} {two.message}"
    return ""


def _explained(mistake: Answer, tried: Sequence[Trial]) -> float:
    """Return for what share of inputs an answer did what a mistake does.

    The share is zero if the answer did anything else where the mistake has a result.
    """
    same = 0
    told = False
    for case, given, wanted in tried:
        done = run(mistake, case, wanted)
        agrees = alike(done, given, single=_single(case))
        if not (agrees or done.error):
            return 0.0
        same += agrees
        told |= not done.error
    return same / len(tried) if told else 0.0


def _likely(exercise: Exercise, wrong: Sequence[Trial]) -> tuple[str, Explains]:
    """Name the mistake that explains most of the wrong results, if it explains many."""
    told = [trial for trial in wrong if not trial[1].error]
    shares = [
        sum(_agrees(mistake.wrong, *trial) for trial in told) / len(wrong)
        for mistake in exercise.mistakes
    ]
    real = any(
        np.asarray(value).dtype.kind not in "biu"
        for _, _, wanted in wrong
        for _, value in wanted.parts
        if value is not None
    )
    if not shares or max(shares) < (PARTLY if real else PARTLY_WHOLE):
        return "", _everywhere
    likely = exercise.mistakes[shares.index(max(shares))]
    return f"{likely.message} {NOT_ALONE}", partial(_agrees, likely.wrong)


def _everywhere(_case: Case, _given: Outcome, _wanted: Outcome) -> bool:
    """Tell that any input shows what is said."""
    return True


def _agrees(mistake: Answer, case: Case, given: Outcome, wanted: Outcome) -> bool:
    """Tell whether an answer did what a mistake does."""
    return alike(given, run(mistake, case, wanted), single=_single(case))


def _both(one: Answer, two: Answer) -> Answer | None:
    """Make two mistakes at once, where both are settings of one function."""
    if not (
        isinstance(one, partial) and isinstance(two, partial) and one.func is two.func
    ):
        return None
    if one.args or two.args or one.keywords.keys() & two.keywords.keys():
        return None
    return partial(one.func, **one.keywords, **two.keywords)
