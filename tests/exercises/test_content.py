"""Every exercise is sound, in its place, and says what to write."""

import ast
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

import dlnotes.exercises
import inventory
from dlnotes.contents import CONTENTS
from dlnotes.exercises import Exercise, Mistake, defects, every, named
from dlnotes.exercises.catalog import numbers

FOLDER = Path(dlnotes.exercises.__file__).parent


@pytest.mark.parametrize("exercise", every(), ids=lambda each: each.name)
def test_solution_passes_and_every_wrong_answer_is_told_from_the_others(
    exercise: Exercise,
) -> None:
    assert list(defects(exercise)) == []


@pytest.mark.parametrize("exercise", every(), ids=lambda each: each.name)
def test_the_task_names_the_solution_and_its_inputs(exercise: Exercise) -> None:
    asked = ast.parse(f"def {exercise.signature}: ...").body[0]
    assert isinstance(asked, ast.FunctionDef)
    names = [each.arg for each in (*asked.args.args, *asked.args.kwonlyargs)]

    case = exercise.inputs(np.random.default_rng(0))

    assert asked.name == exercise.solution.__name__
    assert sorted(names) == sorted(case)
    assert set(names) <= set(signature(exercise.solution).parameters)


def test_each_exercise_says_in_other_words_what_to_write() -> None:
    said = [each.about for each in every()]

    assert all(said)
    assert len({*said}) == len(said)


def test_exercises_have_the_name_of_their_section_and_come_in_its_order() -> None:
    sections = [
        f"{chapter}.{each}" for chapter in CONTENTS for each in CONTENTS[chapter]
    ]

    found = [each.section for each in every()]

    assert found == sorted(found, key=sections.index)
    for each in every():
        place = each.section.replace(".", "-").replace("_", "-")
        assert each.name.startswith(f"write-{place}-")


def test_every_file_of_exercises_belongs_to_a_section() -> None:
    files = {
        f"{path.parent.name}/{path.stem}"
        for path in FOLDER.glob("*/*.py")
        if path.stem != "__init__"
    }

    assert files <= {
        f"{chapter}/{each}" for chapter in CONTENTS for each in CONTENTS[chapter]
    }
    assert files == {each.section.replace(".", "/") for each in every()}


def test_an_exercise_is_found_by_its_name_and_others_by_what_is_near() -> None:
    for each in every():
        assert named(each.name) is each
    with pytest.raises(ValueError, match="no exercise write-cnn-pool; try\n    write-"):
        named("write-cnn-pool")


def test_an_exercise_is_found_by_its_function_if_only_one_asks_for_it() -> None:
    assert named("sigmoid").name == "write-networks-activations-sigmoid"
    with pytest.raises(ValueError, match="ask for update; try\n    write-neurons-"):
        named("update")
    with pytest.raises(ValueError, match="no exercise Newton; `dlnotes check` lists"):
        named("Newton")


def test_an_exercise_has_the_number_that_its_page_prints() -> None:
    printed = inventory.exercise_numbers()

    assert {number: each.name for number, each in numbers().items()} == {
        number: name for name, number in printed.items()
    }
    for name, number in printed.items():
        assert named(number).name == name


def test_a_number_that_is_not_in_code_names_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"1\.1\.3 is no exercise .*1\.1\.1, 1\.1\.2$"):
        named("1.1.3")
    with pytest.raises(
        ValueError, match=r"no exercise 99\.1\.1; `dlnotes check` lists"
    ):
        named("99.1.1")


def draw(rng: np.random.Generator) -> dict[str, object]:
    """Draw inputs that are all alike: one shape, one setting, positive and small."""
    return {"x": rng.uniform(1, 2, size=(2, 2)), "padding": 1}


def shifted(x: np.ndarray, *, padding: int = 0) -> np.ndarray:
    return x + padding


def test_defects_names_what_the_inputs_do_not_show() -> None:
    narrow = Exercise(
        name="shift",
        section="arithmetic",
        task="Write `shifted(x, *, padding)`: x has any shape.",
        solution=shifted,
        inputs=draw,
        mistakes=(
            Mistake(lambda x, padding: x - padding, "You subtract."),
            Mistake(lambda x, padding: x + padding**2, "You square."),
        ),
        harmless=("takes padding for its default",),
    )

    found = set(defects(narrow))

    assert {
        "'You square.' is answered by 'Right.'",
        "an answer that takes padding for its default is not harmless",
        "no input shows an answer that takes padding for its first value",
        "no input shows an answer that is right only where padding is not 0",
        "no input shows an answer that is right only where x has more than 0 axes",
        "no input shows an answer that is right only where x has at most 2 axes",
        "no input shows an answer that is right only where axis 0 of x has 2 entries",
        "no input shows an answer that is right only where axis 1 of x has more than "
        "one entry",
        "no input shows an answer that is right only where axes 0 and 1 of x are "
        "equally long",
        "no input shows an answer that is right only where x has no zero",
        "no input shows an answer that is right only where x stays below 10.0",
        "no input shows an answer that is right only where x is in double precision",
        "no input shows an answer that clips x",
        "no input shows an answer that drops axes of one entry",
    } <= found


def test_defects_names_a_solution_that_is_called_wrong_or_warns() -> None:
    loud = Exercise(
        name="loud",
        section="arithmetic",
        task="Write `log(x)`.",
        solution=np.log,
        inputs=lambda rng: {"x": -rng.uniform(1, 2, size=3)},
        mistakes=(Mistake(np.exp, "That is the exponential."),),
    )

    assert not [each for each in defects(loud) if "its own solution" in each]
    with pytest.raises(ValueError, match="the solution of odd fails: KeyError"):
        next(
            defects(
                Exercise("odd", "a", "Do.", lambda x: {}[x], lambda _: {"x": 1}, ())
            )
        )
