"""Claims that are no claims: one line for each fault, with file, line and the nearest name, before any training."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

TOP = """# @package _global_
defaults: [override /dataset: mnist1d, override /model: mlp, override /analysis: [contrast]]
analysis:
  contrast:
"""
ARMS = """    arms: {narrow: {model.width: 5}, wide: {model.width: 9}}
    cross: {view: {plain: {}, shuffled: {dataset.view: shuffled}}}
    sweep: {optimizer.lr: [0.01, 0.1]}
"""
AT = "at: {view: plain, optimizer.lr: 0.1}"
PAIR = f"greater: [wide, narrow], {AT}"

# What a claim says -> what the answer holds.
CLAIMS = {
    f"{{grater: [wide, narrow], {AT}}}": "has no grater: did you mean greater?",
    "3": "must be a mapping of names, not 3",
    "[wide, narrow]": "must be a mapping of names, not ['wide', 'narrow']",
    "{}": "says one of greater, less, equal, between, not none",
    f"{{{AT}}}": "says one of greater, less, equal, between, not none",
    f"{{greater: [wide, narrow], less: [wide, narrow], {AT}}}": "not greater and less",
    f"{{greater: [wdie, narrow], {AT}}}": "there is no arm called wdie: did you mean wide?",
    f"{{greater: [wide], {AT}}}": "is of two arms: [a, b]",
    f"{{greater: [wide, narrow, wide], {AT}}}": "is of two arms: [a, b]",
    f"{{greater: wide, {AT}}}": "must be a list, not 'wide'",
    f"{{greater: {{a: wide}}, {AT}}}": "must be a list",
    f"{{greater: [3, true], {AT}}}": "must be a text, not True",
    f"{{greater: [{{arm: wide, veiw: plain}}, narrow], {AT}}}": "there is no factor veiw: did you mean view?",
    f"{{greater: [{{mean: []}}, narrow], {AT}}}": "is the mean of no arm",
    f"{{greater: [{{mean: [wide], x: 1}}, narrow], {AT}}}": "has no x",
    "{greater: [wide.plian, narrow]}": "there is no level plian: did you mean plain?",
    "{greater: [wide, narrow]}": "wide was trained at several levels: say `at: {view: plain, optimizer.lr: 0.01}`",
    "{greater: [wide, narrow], at: {view: plain, optimizer.lr: 0.2}}": "was not trained at 0.2: did you mean 0.1?",
    "{greater: [wide, narrow], at: {view: [plain], optimizer.lr: 0.1}}": "is one level, not ['plain']",
    "{greater: [wide, narrow], at: plain}": "must be a mapping of names, not 'plain'",
    "{greater: [wide, narrow], for_all: veiw, at: {optimizer.lr: 0.1}}": "there is no factor veiw: did you mean view?",
    "{greater: [wide, narrow], for_all: view, for_each: view, at: {optimizer.lr: 0.1}}": "or for_each, not both",
    f"{{{PAIR}, by: -1}}": "must be a number of at least 0, not -1",
    f"{{{PAIR}, by: much}}": "must be a number of at least 0, not 'much'",
    f"{{{PAIR}, by: true}}": "must be a number of at least 0, not True",
    f"{{{PAIR}, within: 3}}": "`within` goes with `equal`",
    f"{{{PAIR}, over: view}}": "`over` goes with slope_of",
    f"{{{PAIR}, rising: true}}": "`rising` goes with monotone_of",
    f"{{{PAIR}, of: scor}}": "there is no measure called scor: did you mean score?",
    f"{{{PAIR}, of: acuracy/test}}": "there is no metric or probe called acuracy: did you mean accuracy?",
    f"{{{PAIR}, of: score/test at best score/test}}": "test data may not choose a step: take validation",
    f"{{greater: [{{arm: wide, of: scor}}, narrow], {AT}}}": "greater[0].of: there is no measure called scor",
    f"{{greater: [{{arm: wide, of: loss/train}}, narrow], {AT}}}": "compares loss/train with score/test: of one metric",
    f"{{greater: [{{arm: wide, of: score/test}}, narrow], success: score/test >= 3, {AT}}}": "an arm has no `of` here",
    f"{{value_of: {{arm: wide, of: norm}}, greater: chance, {AT}}}": "norm has no chance level",
    f"{{{PAIR}, scale: logg}}": "there is no 'logg' here: did you mean log?",
    f"{{{PAIR}, success: often}}": "'often' is no success: write it like",
    f"{{{PAIR}, success: score/test >= 3, of: score}}": "leave out `of`",
    f"{{{PAIR}, statement: [a]}}": "must be a text, not ['a']",
    f'{{{PAIR}, statement: "a\\x07"}}': "holds control characters",
    f"{{{PAIR}, control: [wide, narrow]}}": "must be a mapping of names",
    f"{{{PAIR}, control: {{grater: [wide, narrow], {AT}}}}}": "has no grater: did you mean greater?",
    f"{{{PAIR}, control: {{{PAIR}, control: {{{PAIR}}}}}}}": "has no control",
    f"{{equal: [wide, narrow], {AT}}}": "give `within`, the largest difference that is still none",
    f"{{equal: [wide, narrow], within: 0, {AT}}}": "give `within`, the largest difference that is still none",
    f"{{value_of: wide, greater: chnce, {AT}}}": "must be a number, not 'chnce'",
    f"{{value_of: wide, greater: chance, of: norm, {AT}}}": "norm has no chance level",
    f"{{value_of: wide, greater: 3, scale: log, {AT}}}": "value_of has no scale of its own",
    f"{{value_of: wide, between: [3, 1], {AT}}}": "is between two numbers: [low, high]",
    f"{{value_of: wide, between: [1, 2, 3], {AT}}}": "is between two numbers: [low, high]",
    f"{{value_of: wide, between: [1, 2], by: 1, {AT}}}": "`by` goes with greater and less",
    f"{{between: [1, 2], {AT}}}": "between two numbers is one of value_of",
    f"{{ratio: [wide, narrow], less: chance, {AT}}}": "only the value_of an arm has a chance level",
    f"{{value_of: wide, ratio: [wide, narrow], less: 1, {AT}}}": "is about one of value_of, ratio, not several",
    f"{{rate_of: wide, greater: 3, {AT}}}": "a rate has `success`",
    f"{{rate_of: {{mean: [wide, narrow]}}, greater: 3, success: score/test >= 1, {AT}}}": "a rate is of one arm",
    f"{{difference_of: [wide, [narrow, wide]], greater: 0, {AT}}}": "must be a list, not 'wide'",
    f"{{difference_of: [[wide, narrow]], greater: 0, {AT}}}": "is of two arms, or of two pairs",
    "{slope_of: wide, greater: 0, at: {view: plain}}": "give one of ['view', 'optimizer.lr']",
    "{slope_of: wide, over: view, greater: 0, at: {optimizer.lr: 0.1}}": "a slope is over numbers",
    "{slope_of: wide.0.1, over: optimizer.lr, greater: 0, at: {view: plain}}": "names a level of optimizer.lr",
    f"{{slope_of: wide, over: optimizer.lr, greater: 0, {AT}}}": "is over optimizer.lr, which `at`",
    "{peak_of: wide, over: optimizer.lr, at: {view: plain}}": "a peak is of at least 3 levels, and optimizer.lr has 2",
    "{monotone_of: wide, over: optimizer.lr, greater: 1, at: {view: plain}}": "it has no greater",
    "{all: []}": "`all` names no part",
    "{all: {a: 1}}": "must be a list",
    f"{{all: [{{{PAIR}}}], greater: [wide, narrow]}}": "beside `all` there is no greater: it stands in the parts",
    f"{{all: [{{{PAIR}}}, {{less: [wide, narrow], {AT}}}]}}": "the parts of `all` share their direction",
    f"{{all: [{{all: [{{{PAIR}}}]}}]}}": "has no all",
    f"{{all: [3, {{{PAIR}}}]}}": "must be a mapping of names, not 3",
}


def typed(command_line: Any, folder: Path, text: str, *words: str, name: str = "bad") -> Any:
    """How the command ends that runs an experiment with this text; nothing may be trained or kept."""
    file = folder / "conf" / "experiment" / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    ended = command_line.type(f"+experiment={name}", "budget=smoke", *words, folder=folder)
    assert not list(folder.rglob("*.safetensors"))
    assert "Traceback" not in "\n".join(ended.err)
    return ended


def test_every_claim_that_is_none_is_answered_with_its_line(command_line: Any, tmp_path: Path) -> None:
    text = TOP + ARMS + "    claims:\n"
    first = len(text.splitlines()) + 1
    text += "".join(f"      zoo.c{number}: {claim}\n" for number, claim in enumerate(CLAIMS))
    ended = typed(command_line, tmp_path, text)
    assert ended.code == 2
    for number, (claim, said) in enumerate(CLAIMS.items()):
        where = f"experiment/bad.yaml:{first + number}: analysis.contrast: claims.zoo.c{number}"
        lines = [line for line in ended.err if re.match(re.escape(where) + r"(?!\d)", line)]
        assert any(said in line for line in lines), (claim, lines)
    assert all(line.startswith("experiment/bad.yaml:") for line in ended.err)
    assert len(ended.err) == len({*ended.err})


ARM_FAULTS = {
    "a-b: {}": "an arm is called by letters, digits and _",
    "previous: {}": "previous is what an arm is repeated from",
    "b1: 3": "must be a mapping of names, not 3",
    "b2: {modle.width: 3}": "modle.width is no setting of a network: did you mean model?",
    "b3: {seed: 3}": "seed is no setting of a network",
    "b4: {model.width.x: 3}": "model.width.x is no setting of a network",
    "b5: {init: {rewnd: {of: dense}}}": "has no rewnd: did you mean rewind?",
    "b6: {init: {rewind: {of: dnse}}}": "there is no arm called dnse: did you mean dense?",
    "b7: {init: {rewind: {}}}": "needs `of`: the arm it is made from",
    "b8: {init: {rewind: {of: dense, step: -1}}}": "must be a step or final, not -1",
    "b9: {init: {rewind: {of: dense}, fresh: {}}}": "is one of fresh, rewind, known, sign_flip, average",
    "c1: {init: rewind}": "must be a mapping of names, not 'rewind'",
    "c2: {mask: {magnitude: {of: dense}}}": "needs either `sparsity` or `keep`",
    "c3: {mask: {magnitude: {of: dense, sparsity: 1}}}": "must be at least 0 and below 1",
    "c3a: {mask: {magnitude: {of: dense, sparsity: 0.5, last: 1}}}": "must be at least 0 and below 1",
    "c3b: {mask: {magnitude: {of: dense, sparsity: 0.5, last: 0.2, scope: global}}}": "needs `scope: layer`",
    "c4: {mask: {magnitude: {of: dense, sparsity: 0.5, scope: all}}}": "there is no 'all' here",
    "c5: {mask: {random: {sparsity: 0.5, biases: 3}}}": "must be true or false, not 3",
    "c6: {mask: {random: {sparsity: 0.5, draw: -1}}}": "must be a whole number of at least 0, not -1",
    "c7: {mask: {magnitude: {of: previous, keep: 0.5}}}": "`repeat: {from: ARM}` and `of: previous` go together",
    "c8: {repeat: {from: dense, times: 3}}": "`repeat: {from: ARM}` and `of: previous` go together",
    "c9: {mask: {random: {keep: 0.5}}, repeat: {times: 1000000}}": "is at most 100, not 1000000",
    "e1: {learn: {activaton: {from: {dataset: digits}}}}": "has no activaton: did you mean activation?",
    "e2: {learn: {activation: {outer_steps: 3}}}": "needs `from`: settings of the networks for which it is learned",
    "e3: {learn: {activation: {from: {}, hidden: 0}}}": "must be a whole number of at least 1, not 0",
    "e4: {learn: {activation: {from: {datset: digits}}}}": "datset is no setting of a network: did you mean dataset?",
    "e5: {learn: {activation: {from: {}, noise: -1}}}": "must be a number of at least 0, not -1",
    "d1: {mask: {random: {keep: 0.5}}, repeat: {time: 3}}": "has no time: did you mean times?",
    "d2: {mask: {same: {of: d3}}}": "is made from itself",
    "d3: {mask: {same: {of: d2}}}": "is made from itself",
    "d4: {mask: {same: {of: d4}}}": "is made from itself",
    "d5: {init: {known: {}}}": "needs `name`: the problem whose solution is known",
    "d6: {init: {known: {name: x, layers: 3}}}": "must be a list, not 3",
    "d7: {mask: {same: {of: [dense]}}}": "must be a text, not ['dense']",
}


def test_every_arm_that_is_none_is_answered_with_its_line(command_line: Any, tmp_path: Path) -> None:
    text = TOP + "    arms:\n      dense: {}\n"
    first = len(text.splitlines()) + 1
    text += "".join(f"      {arm}\n" for arm in ARM_FAULTS)
    ended = typed(command_line, tmp_path, text)
    assert ended.code == 2
    for number, (arm, said) in enumerate(ARM_FAULTS.items()):
        where = f"experiment/bad.yaml:{first + number}: analysis.contrast: arms."
        assert any(line.startswith(where) and said in line for line in ended.err), (arm, ended.err)


# The other options -> what the answer holds; {} stands for a base of one arm.
OPTIONS = {
    "cross: {view: {}}": "cross.view: names no level",
    "cross: {view: [plain]}": "cross.view: must be a mapping of names",
    "cross: {seed: {a: {}}}": "cross.seed: is a column of every table of records",
    "cross: {view: {plain: {init: {fresh: {}}}}}": "cross.view.plain: init is no setting of a network",
    "sweep: {model.width: 3}": "sweep.model.width: must be a list, not 3",
    "sweep: {model.width: [3]}": "sweep.model.width: is swept over at least two different values",
    "sweep: {model.width: [3, 3.0]}": "sweep.model.width: is swept over at least two different values",
    "sweep: {model.width: [5, 3]}": "sweep.model.width: is swept in increasing order",
    "sweep: {model.width: [3, a]}": "sweep.model.width: is swept over numbers, or over names",
    "sweep: {model.width: [3, true]}": "sweep.model.width: is swept over numbers, or over names",
    "sweep: {model: [[mlp], [gru]]}": "sweep.model: is swept over numbers, or over names",
    "sweep: {model.width: [null, 3]}": "sweep.model.width: is swept over numbers, or over names",
    "sweep: {width: [3, 4]}": "sweep.width: width is no setting of a network",
    "sweep: {model.width: [3, 4]}\n    cross: {model.width: {a: {}}}": "is a factor of `cross`, too",
    "measure: [score/test]": "measure must be a mapping of names, not a list",
    "measure: {a: 3}": "measure.a: must be a text, not 3",
    "measure: {curve: score/test}": "measure.curve: is what learning curves and tuning are called",
    "tune: {optimizer.lr: []}": "tune.optimizer.lr: names no value to try",
    "tune: {lr: [1]}": "tune.lr: lr is no setting of a network",
    "claims: {a b: {value_of: base, greater: 1}}": "a claim is called by letters, digits, _ . and -",
    "claims: [3]": "claims must be a mapping of names, not a list",
    "diverged: forgotten": "diverged must be one of worst, drop, not 'forgotten'",
    "every: 0": "every must be a whole number at least 1",
    "needs: [vlidation]": "needs[0]: 'vlidation' is nothing that can be needed",
    "arms: {a: {model.width: .nan}}": "analysis.contrast.arms.a.model.width must be a finite number, not nan",
    "claims: {zoo.a: {value_of: base, greater: .inf}}": "claims.zoo.a.greater must be a finite number, not inf",
    "claim: {}": "analysis.contrast has no claim: did you mean claims?",
    "arms: {a: {model.wdth: 3}}": ":5: analysis.contrast: arms.a.model.wdth: model has no wdth: did you mean width?",
    "arms: {a: {model.width: 3e9}}": "arms.a.model.width: model.width must be a whole number",
    "arms: {a: {model.width: 9000000000}}": "arms.a: ",
    "arms: {a: {}}\n    arms: {b: {}}": "arms is said twice",
    "claims: {zoo.a: {value_of: base, greater: 1}, zoo.a: {value_of: base, greater: 2}}": "zoo.a is said twice",
    "sweep: {" + ", ".join(f"optimizer.x{i}: {list(range(10))}" for i in range(6)) + "}": "1000000 arms and levels",
    "tune: {" + ", ".join(f"optimizer.x{i}: {list(range(10))}" for i in range(6)) + "}": "1000000 combinations",
    "arms: {" + "a: {" * 30 + "}" * 31: "analysis.contrast.arms",
    "arms: {" + ", ".join(f"a{i}: {{mask: {{same: {{of: a{i + 1}}}}}}}" for i in range(150)) + ", a150: {}}": "a chain",
    "arms: {a: !!python/object/apply:os.system [x]}": "is no type that is read here",
    "arms: {? [a, b] : {}}": "a key has to be one word",
    "arms: *nothing": "undefined alias",
}


@pytest.mark.parametrize("options", OPTIONS, ids=lambda text: text[:50])
def test_other_options_that_are_none(command_line: Any, tmp_path: Path, options: str) -> None:
    ended = typed(command_line, tmp_path, f"{TOP}    {options}\n")
    assert ended.code == 2, ended.err
    assert any(OPTIONS[options] in line for line in ended.err), ended.err
    if "analysis.contrast: " in ended.err[0] and "analysis.contrast: tune" not in ended.err[0]:
        assert ended.err[0].startswith("experiment/bad.yaml:5: "), ended.err


def test_names_may_be_of_any_script(command_line: Any, tmp_path: Path) -> None:
    text = TOP + "    arms: {größe: {model.width: 5}, 幅: {model.width: 9}}\n"
    text += "    claims: {zoo.größer: {greater: [幅, Größe]}}\n"
    ended = typed(command_line, tmp_path, text)
    [said] = ended.err
    assert said == (
        "experiment/bad.yaml:6: analysis.contrast: claims.zoo.größer.greater[1]: there is no arm called Größe: "
        "did you mean größe?"
    )
    typed(command_line, tmp_path, text.replace("Größe]", "größe]"), "dry_run=true", name="good")


def test_faults_beside_another_analysis_are_said_too(command_line: Any, tmp_path: Path) -> None:
    text = TOP.replace("[contrast]", "[contrast, learning_curves]")
    ended = typed(command_line, tmp_path, text + "    arms: {a: {model.wdth: 3}}\n", "dry_run=true")
    assert ended.err[0] == (
        "analysis=contrast is left out: experiment/bad.yaml:5: analysis.contrast: arms.a.model.wdth: model has no wdth:"
        " did you mean width?"
    )
    ended = typed(command_line, tmp_path, text + "    arms: {a: {modle: mlp}}\n", "dry_run=true")
    assert ended.code == 2


def test_the_line_is_found_in_the_experiment_that_is_built_upon(command_line: Any, tmp_path: Path) -> None:
    typed(
        command_line, tmp_path, TOP + "    arms: {a: {}}\n    claims:\n      zoo.a: {greater: [a, b]}\n", name="below"
    )
    above = "# @package _global_\ndefaults: [below]\nanalysis: {contrast: {claims: {zoo.b: {less: [a, c]}}}}\n"
    ended = typed(command_line, tmp_path, above, name="above")
    places = {line.partition(": analysis")[0] for line in ended.err}
    assert places == {"experiment/below.yaml:7", "experiment/above.yaml:3"}, ended.err
