"""scripts/study against a stand-in for the command: what is trained, what is asked, what the table says."""
import argparse
import contextlib
import importlib.machinery
import importlib.util
import io
import itertools
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "study"
loader = importlib.machinery.SourceFileLoader("study", str(SCRIPT))
sys.dont_write_bytecode = True
study = importlib.util.module_from_spec(importlib.util.spec_from_loader("study", loader))
loader.exec_module(study)

# Trains in no time, answers problem i rightly where i < 3 * seed + the number of thoughts asked for (with several repeats the
# first of them alone), and writes down every call.
STAND_IN = """#!{python} -IS
import json, pathlib, sys
words = sys.argv[1:]
given = dict(zip(words[1:], words[2:]))
with open(pathlib.Path(__file__).parent / "calls", "a") as calls: print(json.dumps(words), file=calls)
folder = pathlib.Path(given.get("--out", "."))
folder.mkdir(parents=True, exist_ok=True)
if words[0] == "train":
    recipe = json.loads(pathlib.Path(given["--config"]).read_text())
    if "init" in recipe and not (pathlib.Path(recipe["init"]) / "seed").exists(): sys.exit("no start")
    (folder / "seed").write_text(str(recipe["seed"]))
    (folder / "metrics.jsonl").write_text('{{"step": 1, "ms": 2000, "tokens": 500000}}\\n'
                                          '{{"step": 1, "validation": {{"token_accuracy": 0.5, "examples": 40.0}}}}\\n')
    print("{{}}")
elif words[0] == "eval":
    seed = int((pathlib.Path(given["--model"]) / "seed").read_text())
    repeats = int(given.get("--repeats", 1))
    right = [i < 3 * seed + int(given.get("--latents", 0)) for i in range(20)]
    (folder / "samples.jsonl").write_text("".join(json.dumps({{"id": i, "repeat": r, "correct": c and r == 0}}) + "\\n"
                                                  for i, c in enumerate(right) for r in range(repeats)))
    (folder / "metrics.json").write_text(json.dumps({{"mean_flops": 1e6 * int(given.get("--flops", 2)), "accuracy_by_depth": [{{"depth": 1, "examples": 20, "accuracy": sum(right) / 20}}]}}))
else: print(json.dumps({{"memory": {{"bytes": 4096}}}}))
"""

FIRST = {"title": "T", "question": "Q", "shared": {"task": "t", "steps": 2}, "seeds": [1, 2, 3], "baseline": "a",
         "arms": {"start": {"method": "s", "hidden": True}, "a": {"method": "m", "init": "arm:start"},
                  "a > 4": {"of": "a", "eval": ["--latents", "4"]}},
         "tests": {"plain": ["--count", "20"]}, "by_depth": ["plain"], "notes": ["seen"],
         "measures": {"KB": {"command": ["inspect", "{checkpoint}"], "field": "memory.bytes", "scale": 1 / 1024}}}


class Statistics(unittest.TestCase):
    def test_sign_flip_of_one_seed_is_mcnemars_exact_test(self):
        def mcnemar(a, b): return min(1, 2 * sum(math.comb(a + b, k) for k in range(min(a, b) + 1)) / 2 ** (a + b))
        for a, b in ((0, 0), (1, 5), (10, 0), (3, 3), (40, 61), (200, 90)):
            self.assertAlmostEqual(study.sign_flip([1] * a + [-1] * b + [0] * 7), mcnemar(a, b), places=12)

    def test_sign_flip_of_several_seeds_is_the_share_of_all_signs(self):
        for given in ([3, -1, 2, 0, 1], [3, 3, 3, -2], [1, 1, -2], [2, 2, 2, 2, -1, -3]):
            sums = [abs(sum(s * d for s, d in zip(signs, given))) for signs in itertools.product((1, -1), repeat=len(given))]
            self.assertAlmostEqual(study.sign_flip(given), sum(x >= abs(sum(given)) for x in sums) / len(sums))
        # Three seeds that agree on every problem say no more than one.
        self.assertAlmostEqual(study.sign_flip([3] * 8 + [-3] * 2), study.sign_flip([1] * 8 + [-1] * 2))

    def test_the_fields_of_a_recipe_are_those_that_the_trainer_reads(self):
        root = SCRIPT.parent.parent
        def words(file, begin):
            text = (root / "latent" / file).read_text()
            text = text[text.index(begin):]
            return set(re.findall(r'"(\w+)"', text[:text.index("};")]))
        read = words("train_config.cpp", "known_fields = {") | words("trainer_config.cpp", "> fields = {")
        self.assertEqual(study.RECIPE | {"seed"}, read)

    def test_holm_multiplies_the_least_by_all_and_never_falls(self):
        self.assertEqual(study.holm([None, .04, .01, .03]), [None, .06, .03, .06])
        self.assertEqual(study.holm([.6, .9]), [1, 1])

    def test_interval_of_three_seeds(self):
        mean, half = study.interval([1, 2, 3])
        self.assertEqual(mean, 2)
        self.assertAlmostEqual(half, 4.303 / math.sqrt(3), places=3)


class Runs(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        for folder in ("scripts", "studies", "docs/results"):
            (self.root / folder).mkdir(parents=True)
        shutil.copy(SCRIPT, self.root / "scripts/study")
        (self.root / "tacit").write_text(STAND_IN.format(python=sys.executable))
        (self.root / "tacit").chmod(0o755)

    def run_study(self, name, spec, *options):
        (self.root / f"studies/{name}.json").write_text(json.dumps(spec))
        return subprocess.run([sys.executable, "-IS", self.root / "scripts/study", self.root / f"studies/{name}.json", "--tacit", self.root / "tacit", *options],
                              capture_output=True, text=True)

    def calls(self, what):
        file = self.root / "calls"
        return [c for c in map(json.loads, file.read_text().splitlines()) if c[0] == what] if file.exists() else []

    def test_an_arm_is_trained_once_and_asked_twice(self):
        done = self.run_study("first", FIRST)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.calls("train")), 6)  # start and a, of three seeds
        self.assertEqual(len(self.calls("eval")), 6)
        rows = {row["arm"]: row for row in json.loads((self.root / "docs/results/study-first.json").read_text())["rows"]}
        self.assertEqual(rows["a"]["tests"]["plain"]["accuracy_by_seed"], [15, 30, 45])
        self.assertEqual(rows["a > 4"]["tests"]["plain"]["accuracy_by_seed"], [35, 50, 65])
        self.assertEqual((rows["a > 4"]["tests"]["plain"]["only_this"], rows["a > 4"]["tests"]["plain"]["only_baseline"]), (12, 0))
        page = (self.root / "docs/results/study-first.md").read_text()
        for part in ("| a | 30.0 ± 37.3 | 4.00 | 2.0 | 2 | 0.50 M |", "| a > 4 | 50.0 ± 37.3 (+20.0 ± 0.0; p .002) | 4.00 | 2.0 | as a |  |",
                     "| arm | 1 (60) |", "| a > 4 | 50.0 |", "- seen", "scripts/study studies/first.json"):
            self.assertIn(part, page)
        self.assertEqual(len(re.findall("<circle", (self.root / "docs/results/study-first.svg").read_text())), 2 * 4)

    def test_what_is_finished_is_kept_and_a_twin_in_another_study_is_taken_over(self):
        self.run_study("first", FIRST)
        self.run_study("first", FIRST)
        self.assertEqual(len(self.calls("train")), 6)
        second = {**FIRST, "arms": {**FIRST["arms"], "b": {"method": "m", "steps": 3, "init": "arm:start"}}}
        done = self.run_study("second", second)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.calls("train")), 9)  # b alone, of three seeds
        other_start = {**FIRST, "arms": {**FIRST["arms"], "start": {"method": "s", "hidden": True, "steps": 7}}}
        self.run_study("third", other_start)
        self.assertEqual(len(self.calls("train")), 15)  # a has another start, so it is another training

    def test_another_recipe_than_the_finished_one_is_trained_again_and_asked_again(self):
        self.run_study("first", FIRST)
        stale = self.root / "runs/studies/first/a->-4-1-plain/stale"
        stale.touch()
        def arms(**a): return {"arms": {**FIRST["arms"], "a": {**FIRST["arms"]["a"], **a}}}
        done = self.run_study("first", {**FIRST, **arms(steps=9)})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.calls("train")), 9)  # a of three seeds; its start is as it was
        self.assertIn("a seed 1 was trained by another recipe (steps)", done.stderr)
        self.assertFalse(stale.exists())  # an evaluation of the training that is gone
        self.assertFalse(list((self.root / "runs").glob("**/*.part")))
        self.run_study("first", FIRST)  # the recipe of before: what was put aside is taken, not trained
        self.assertEqual(len(self.calls("train")), 9)
        self.run_study("first", {**FIRST, **arms(steps=9)})
        self.assertEqual(len(self.calls("train")), 9)
        # Another start: all that begins with it, also where that start was retrained by a call that ended there.
        other = {"arms": {**FIRST["arms"], "start": {"method": "s", "hidden": True, "steps": 7}, "a": {**FIRST["arms"]["a"], "steps": 9}}}
        self.run_study("first", {**FIRST, **other, "tests": {"broken": ["--count", "20"]},
                                 "arms": {**other["arms"], "a": {**FIRST["arms"]["a"], "init": "", "hidden": True},
                                          "b": {"method": "m", "init": "arm:start"}, "a > 4": {"of": "b"}}, "baseline": "b"})
        done = self.run_study("first", {**FIRST, **other})
        self.assertIn("a seed 2 was trained by another recipe (init)", done.stderr)
        trained = [pathlib.Path(c[c.index("--out") + 1]).name for c in self.calls("train")]
        self.assertEqual([trained.count(f"start-{seed}") for seed in (1, 2, 3)], [2, 2, 2])
        self.assertEqual([trained.count(f"a-{seed}") for seed in (1, 2, 3)], [3, 3, 3])

    def test_trainings_of_before_the_recipe_was_kept_are_kept_too(self):
        self.run_study("first", FIRST)
        out = self.root / "runs/studies/first"
        for kept in list(out.glob("*-recipe.json")):
            recipe = json.loads(kept.read_text())
            self.assertEqual(recipe["task"], "t")
            kept.unlink()
            if recipe["seed"] == 2:  # for a while it was kept in finished.json
                finished = out / kept.name.replace("-recipe.json", "/finished.json")
                finished.write_text(json.dumps({**json.loads(finished.read_text()), "recipe": recipe}))
        self.run_study("first", FIRST)
        self.assertEqual(len(self.calls("train")), 6)
        for seed in (1, 2, 3):
            self.assertEqual(json.loads((out / f"a-{seed}-recipe.json").read_text())["init"]["method"], "s")

    def test_a_half_finished_training_is_not_resumed_from_another_start(self):
        self.run_study("first", FIRST)
        out = self.root / "runs/studies/first"
        for seed in (1, 2):
            (out / f"a-{seed}/finished.json").unlink()
        (out / "a-2-recipe.json").unlink(missing_ok=True)  # begun before the whole recipe was kept
        (out / "a-1/half").touch()
        done = self.run_study("first", {**FIRST, "arms": {**FIRST["arms"], "start": {"method": "s", "hidden": True, "steps": 7}}})
        self.assertEqual(done.returncode, 0, done.stderr)
        for seed in (1, 2, 3):
            self.assertIn(f"a seed {seed} was trained by another recipe (init)", done.stderr)
        self.assertTrue((out / "a-1.replaced-1/half").exists())
        self.assertFalse((out / "a-1/half").exists())
        self.assertEqual(json.loads((out / "a-1-recipe.json").read_text())["init"]["steps"], 7)
        # With the same start it is resumed.
        (out / "a-1/finished.json").unlink()
        (out / "a-1/half").touch()
        done = self.run_study("first", {**FIRST, "arms": {**FIRST["arms"], "start": {"method": "s", "hidden": True, "steps": 7}}})
        self.assertNotIn("another recipe", done.stderr)
        self.assertTrue((out / "a-1/half").exists())

    def opened(self, spec):
        """The study in this process, where it can be stopped at a given step."""
        patch = unittest.mock.patch.object(study, "ROOT", self.root)
        patch.start()
        self.addCleanup(patch.stop)
        path = self.root / "studies/first.json"
        path.write_text(json.dumps(spec))
        return study.Study(path, argparse.Namespace(only=None, seeds=None, out=None, tacit=str(self.root / "tacit")))

    def test_a_file_that_was_half_written_is_not_read(self):
        whole_write = pathlib.Path.write_text
        out = self.root / "runs/studies/first"
        for name in ("start-1.json", "finished.json", "start-1-measures.json"):
            def stopped(path, text):
                if not path.name.startswith(name):
                    return whole_write(path, text)
                whole_write(path, text[:len(text) // 2])
                raise KeyboardInterrupt
            shutil.rmtree(out, ignore_errors=True)
            opened = self.opened(FIRST)
            with unittest.mock.patch.object(pathlib.Path, "write_text", stopped), self.assertRaises(KeyboardInterrupt):
                opened.train("start", 1)
                opened.measured("start", 1)
            for file in out.rglob("*.json"):
                json.loads(file.read_text())
            opened.train("start", 1)
            self.assertEqual(opened.measured("start", 1), {"KB": 4})

    def test_arms_that_ask_one_checkpoint_are_measured_apart(self):
        self.run_study("first", FIRST)
        for arm in ("a", "a->-4"):
            self.assertTrue((self.root / f"runs/studies/first/{arm}-1-measures.json").exists())

    def test_putting_aside_may_be_stopped_anywhere(self):
        changed = {**FIRST, "arms": {**FIRST["arms"], "a": {**FIRST["arms"]["a"], "steps": 9}}}
        def silence(): return contextlib.redirect_stderr(io.StringIO())
        rename, out = pathlib.Path.rename, self.root / "runs/studies/first"
        for stop, finished in itertools.product((0, 1, 2), (True, False)):
            shutil.rmtree(out, ignore_errors=True)
            opened = self.opened(FIRST)
            opened.lineage("a", 1)
            opened.measured("a", 1)
            opened.run_folder("a > 4", 1, "plain").mkdir()
            if not finished:
                (out / "a-1/finished.json").unlink()
            (out / "a-1/old").touch()
            left = iter(range(stop))
            def stopped(path, target):
                if next(left, None) is None:
                    raise KeyboardInterrupt
                return rename(path, target)
            opened = self.opened(changed)
            with silence(), unittest.mock.patch.object(pathlib.Path, "rename", stopped), self.assertRaises(KeyboardInterrupt):
                opened.lineage("a", 1)
            self.assertTrue((out / "a-1/old").exists())
            self.assertFalse((out / "a-1-measures.json").exists())
            self.assertFalse(opened.run_folder("a > 4", 1, "plain").exists())
            with silence():
                opened.lineage("a", 1)
            self.assertFalse((out / "a-1/old").exists())
            self.assertTrue((out / "a-1.replaced-1/old").exists())
            self.assertEqual(json.loads((out / "a-1.replaced-1.json").read_text())["steps"], 2)
            self.assertEqual(json.loads((out / "a-1.json").read_text())["steps"], 9)

    def test_repeats_are_samples_of_their_problem(self):
        done = self.run_study("first", {**FIRST, "tests": {"plain": ["--repeats", "2"]}})
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = {row["arm"]: row["tests"]["plain"] for row in json.loads((self.root / "docs/results/study-first.json").read_text())["rows"]}
        self.assertEqual(rows["a"]["accuracy_by_seed"], [7.5, 15, 22.5])
        self.assertEqual((rows["a"]["problems"], rows["a > 4"]["only_this"]), (20, 12))

    def test_p_is_over_problems_and_the_differences_over_seeds_are_told(self):
        self.run_study("first", FIRST)
        result = json.loads((self.root / "docs/results/study-first.json").read_text())
        cell = result["rows"][1]["tests"]["plain"]
        # Problems 3 .. 12 differ, 6 and 9 in two seeds: p = 2 of 2^10 signs.
        self.assertAlmostEqual(cell["p"], 2 / 2**10)
        self.assertEqual(cell["difference_to_baseline"], {"by_seed": [20, 20, 20], "mean": 20, "half_interval": 0})
        self.assertIsNone(result["rows"][0]["tests"]["plain"]["difference_to_baseline"])
        page = (self.root / "docs/results/study-first.md").read_text()
        for part in ("| plain % ± (difference ±; p) |", "sign-flip test over problems", "the difference to a, mean over seeds with its 95 % interval",
                     "of these trainings on other problems and not of other trainings"):
            self.assertIn(part, page)
        cell = {"p_holm": .598, "difference_to_baseline": {"mean": -.8, "half_interval": 3.1}}
        self.assertEqual(study.against_baseline(cell), " (−0.8 ± 3.1; p .598)")
        self.assertEqual(study.against_baseline({"p_holm": .0004, "difference_to_baseline": {"mean": 9, "half_interval": math.nan}}), " (+9.0; p <.001)")

    def test_results_of_before_the_differences_were_told_are_still_shown(self):
        self.run_study("first", FIRST)
        file = self.root / "docs/results/study-first.json"
        result = json.loads(file.read_text())
        del result["p_test"]
        for row in result["rows"]:
            del row["tests"]["plain"]["difference_to_baseline"]
        file.write_text(json.dumps(result))
        done = self.run_study("first", FIRST, "--page")
        self.assertEqual(done.returncode, 0, done.stderr)
        for part in ("| plain % ± (p) |", "50.0 ± 37.3 (p .002) |", "exact McNemar", "and not of other trainings"):
            self.assertIn(part, done.stdout)
        self.assertNotIn("the difference to", done.stdout)

    def test_flops_are_each_tests_own_and_validation_says_its_problems(self):
        done = self.run_study("first", {**FIRST, "measures": {}, "by_depth": [], "tests": {
            "small": ["--flops", "2"], "trained": "validation", "large": ["--flops", "5"]}})
        self.assertEqual(done.returncode, 0, done.stderr)
        page = (self.root / "docs/results/study-first.md").read_text()
        self.assertIn("| MFLOP a problem (small / large) |", page)
        self.assertIn("| 2.0 / 5.0 |", page)
        self.assertIn("problems a seed: small 20, trained 40, large 20.", page)

    def test_some_seeds_or_one_arm_are_printed_and_no_page_is_written(self):
        for options, row in ((["--seeds", "2,4"], "| a | 45.0 ± "), (["--only", "a > 4"], "| a > 4 | 50.0 ± ")):
            done = self.run_study("first", FIRST, *options)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(row, done.stdout)
            self.assertIn("no page is written", done.stderr)
        self.assertEqual(list((self.root / "docs/results").iterdir()), [])

    def test_notes_are_written_anew_without_running(self):
        self.run_study("first", FIRST)
        before = len(self.calls("eval"))
        done = self.run_study("first", {**FIRST, "notes": ["seen again"]}, "--page")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("- seen again", (self.root / "docs/results/study-first.md").read_text())
        self.assertEqual(len(self.calls("eval")), before)

    def test_what_makes_no_sense_is_refused(self):
        for change, told in (({"arm": {}}, "got 'arm'"), ({"seeds": [1]}, "at least three seeds"), ({"baseline": "c"}, "got 'c'"),
                             ({"arms": {"a": {"init": "arm:c"}}}, "got 'c'"), ({"arms": {"a": {}, "b": {"of": "c"}}}, "got 'c'")):
            done = self.run_study("bad", {**FIRST, **change})
            self.assertEqual(done.returncode, 1)
            self.assertIn(told, done.stderr)
        for change, told in (({"arms": {"a": {"latent": 1}}}, "did you mean 'latents'?"), ({"shared": {"step": 2}}, "did you mean 'steps'?"),
                             ({"arms": {"a": {}, "b": {"of": "a", "steps": 3}}}, "expected one of eval, hidden, of but got 'steps' in the arm 'b'"),
                             ({"tests": {"plain": "validate"}}, "as the test 'plain'"), ({"figure": {"chanse": 50}}, "did you mean 'chance'?"),
                             ({"figure": {"x": {"plane": 1}, "label": "l"}}, "did you mean 'plain'?"), ({"by_depth": ["plane"]}, "did you mean 'plain'?"),
                             ({"measures": {"KB": {"command": [], "feld": "x"}}}, "did you mean 'field'?"),
                             ({"measures": {"KB": {"command": []}}}, "expected 'field' in the measure 'KB'"),
                             ({"measures": {"KB": {"command": [], "field": "x", "arms": ["c"]}}}, "got 'c' among the arms")):
            done = self.run_study("bad", {**FIRST, **change})
            self.assertEqual(done.returncode, 1, change)
            self.assertIn(told, done.stderr)
        for options, told in ((["--only", "start"], "expected one of a, a > 4 but got 'start'"), (["--only", "a > 5"], "did you mean 'a > 4'?"),
                              (["--seeds", "1,x"], "but got '1,x'")):
            done = self.run_study("bad", FIRST, *options)
            self.assertEqual(done.returncode, 1)
            self.assertIn(told, done.stderr)
        self.assertEqual(self.calls("train"), [])


if __name__ == "__main__":
    unittest.main()
