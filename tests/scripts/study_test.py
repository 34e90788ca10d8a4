"""scripts/study against a stand-in for the command: what is trained, what is asked, what the table says."""
import importlib.machinery
import importlib.util
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "study"
loader = importlib.machinery.SourceFileLoader("study", str(SCRIPT))
sys.dont_write_bytecode = True
study = importlib.util.module_from_spec(importlib.util.spec_from_loader("study", loader))
loader.exec_module(study)

# Trains in no time, answers problem i rightly where i < 3 * seed + the number of thoughts asked for, and writes down every call.
STAND_IN = """#!{python}
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
    (folder / "metrics.jsonl").write_text('{{"step": 1, "ms": 2000, "tokens": 500000}}\\n')
    print("{{}}")
elif words[0] == "eval":
    seed = int((pathlib.Path(given["--model"]) / "seed").read_text())
    right = [i < 3 * seed + int(given.get("--latents", 0)) for i in range(20)]
    (folder / "samples.jsonl").write_text("".join(json.dumps({{"id": i, "correct": c}}) + "\\n" for i, c in enumerate(right)))
    (folder / "metrics.json").write_text(json.dumps({{"mean_flops": 2e6, "accuracy_by_depth": [{{"depth": 1, "examples": 20, "accuracy": sum(right) / 20}}]}}))
else: print(json.dumps({{"memory": {{"bytes": 4096}}}}))
"""

FIRST = {"title": "T", "question": "Q", "shared": {"task": "t", "steps": 2}, "seeds": [1, 2, 3], "baseline": "a",
         "arms": {"start": {"method": "s", "hidden": True}, "a": {"method": "m", "init": "arm:start"},
                  "a > 4": {"of": "a", "eval": ["--latents", "4"]}},
         "tests": {"plain": ["--count", "20"]}, "by_depth": ["plain"], "notes": ["seen"],
         "measures": {"KB": {"command": ["inspect", "{checkpoint}"], "field": "memory.bytes", "scale": 1 / 1024}}}


class Statistics(unittest.TestCase):
    def test_mcnemar_is_the_exact_two_sided_binomial(self):
        self.assertEqual(study.mcnemar(0, 0), 1)
        self.assertAlmostEqual(study.mcnemar(1, 5), 2 * (1 + 6) / 64)
        self.assertAlmostEqual(study.mcnemar(10, 0), 2 / 1024)
        self.assertEqual(study.mcnemar(3, 3), 1)

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
        return subprocess.run([sys.executable, self.root / "scripts/study", self.root / f"studies/{name}.json", "--tacit", self.root / "tacit", *options],
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
        for part in ("| a | 30.0 ± 37.3 | 4.00 | 2.0 | 2 | 0.50 M |", "| a > 4 | 50.0 ± 37.3 (<.001) | 4.00 | 2.0 | as a |  |",
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

    def test_notes_are_written_anew_without_running(self):
        self.run_study("first", FIRST)
        before = len(self.calls("eval"))
        done = self.run_study("first", {**FIRST, "notes": ["seen again"]}, "--page")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("- seen again", (self.root / "docs/results/study-first.md").read_text())
        self.assertEqual(len(self.calls("eval")), before)

    def test_what_makes_no_sense_is_refused(self):
        for change, told in (({"arm": {}}, "got ['arm']"), ({"seeds": [1]}, "at least three seeds"), ({"baseline": "c"}, "got 'c'"),
                             ({"arms": {"a": {"init": "arm:c"}}}, "got 'c'"), ({"arms": {"a": {}, "b": {"of": "c"}}}, "got 'c'")):
            done = self.run_study("bad", {**FIRST, **change})
            self.assertEqual(done.returncode, 1)
            self.assertIn(told, done.stderr)
        self.assertEqual(self.calls("train"), [])


if __name__ == "__main__":
    unittest.main()
