"""Writes tests/eval/fixtures/lm_eval_*: what EleutherAI's lm-evaluation-harness says of texts that we score too.

    python3 -m venv venv && venv/bin/pip install lm-eval==0.4.13
    venv/bin/python tests/eval/make_lm_eval_fixture.py [GSM8K test.jsonl]

With GSM8K's test.jsonl its first reference solutions are among the texts. Nothing is downloaded: tasks are the package's
own files (their filters and metrics), documents are written here.
"""

import importlib.metadata
import importlib.util
import json
import pathlib
import random
import sys

import lm_eval.tasks
import yaml
from lm_eval.api.metrics import exact_match_hf_evaluate
from lm_eval.filters import build_filter_ensemble

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
TASKS = pathlib.Path(lm_eval.tasks.__file__).parent


def yaml_of(path):
    return yaml.safe_load((TASKS / path).read_text())


def apply_filters(components, text, doc):
    from lm_eval.api.instance import Instance

    instance = Instance(request_type="generate_until", doc=doc, arguments=("", {}), idx=0)
    instance.resps = [text]
    build_filter_ensemble("f", components).apply([instance])
    return instance.filtered_resps["f"]


def filtered_and_scored(config, name, text, target):
    components = next(f["filter"] for f in config["filter_list"] if f["name"] == name)
    steps = [(c["function"], {k: v for k, v in c.items() if k != "function"}) for c in components]
    answer = apply_filters(steps, text, {})
    options = {k: v for k, v in config["metric_list"][0].items() if k not in ("metric", "aggregation", "higher_is_better")}
    score = exact_match_hf_evaluate(predictions=[answer], references=[target], **options)["exact_match"]
    return {"answer": answer, "score": float(score)}


NUMBERS = ["18", "29", "29.00", "$29.00", "1,400", "1400", "-7", "\u22127", "0.5", ".5", "1/2", "50%", "1e3", "3.0", "007",
           "$1,234.50", "12,", "12.", "$", "..", "-", "1,2,3", "3-5", "-$5", "$-5", "1.2.3", "\u0663", "\uff11\uff12", "18\u00a0"]
FRAMES = ["{n}", "#### {n}", "####{n}", "#### ${n}", "The answer is {n}.", "The answer is {n}", "the answer is {n}.",
          "The answer is ${n}.", "The answer is: {n}.", "So 3 * 6 = {n} apples.\n#### {n}", "#### {n}\n#### 99", "#### {n}.",
          "She has {n} dollars left.", "First 5, then {n}", "{n} of 7 remain", "**{n}**", "\\boxed{{{n}}}", "The answer is {n}\n",
          "Total: {n}\n\nQuestion: what next?", "\u00e9t\u00e9 {n} \u20ac", "Answer: {n}!", "#### {n} #### {n}"]
OTHERS = ["", " ", "\n", "no number at all", "####", "#### ", "#### none", "The answer is", "The answer is .", "The answer is twelve.",
          "I think it is five", "\U0001f600 18 \U0001f600", "####  18", "#### \t18", "#### 18 apples", "The answer is 18 apples.",
          "The answer is 1,000,000.", "9" * 400, "#### " + "1," * 200 + "1", "-" * 50 + "3", "$$$", "18 - 18", "a" * 5000 + " 18",
          "THE ANSWER IS 18.", "The answer is 18.The answer is 19."]
TARGETS = ["18", "29", "1,400", "-7", "0.5", "3", "12", "$29.00", "She has 9 + 9 = 18.\n#### 18"]


def texts(rng, gsm8k):
    out = [(frame.format(n=n), rng.choice(TARGETS)) for frame in FRAMES for n in rng.sample(NUMBERS, 14)]
    out += [(t, rng.choice(TARGETS)) for t in OTHERS]
    out += [(frame.format(n=t), t) for frame in FRAMES for t in TARGETS[:8]]
    for doc in gsm8k:
        last = doc["answer"].split("####")[-1].strip()
        out += [(doc["answer"], doc["answer"]), (doc["answer"].split("####")[0] + f"The answer is {last}.", doc["answer"])]
    return out


def gsm8k_cases(rng, gsm8k):
    gsm8k_yaml, cot_yaml = yaml_of("gsm8k/gsm8k.yaml"), yaml_of("gsm8k/gsm8k-cot.yaml")
    cases = []
    for text, target in texts(rng, gsm8k):
        short = target.split("####")[-1].strip()  # doc_to_target of gsm8k_cot
        cases.append({
            "text": text, "target": target,
            "gsm8k_strict": filtered_and_scored(gsm8k_yaml, "strict-match", text, target),
            "gsm8k_flexible": filtered_and_scored(gsm8k_yaml, "flexible-extract", text, target),
            "gsm8k_cot": filtered_and_scored(cot_yaml, "strict-match", text, short),
        })
    return cases


# exact_match with other filters and options than GSM8K's.
def exact_match_cases(rng):
    pieces = ["Yes", "yes.", " No ", "(A)", "The answer is (B).", "foo, bar", "Foo; BAR!", "1 2 3", "x=1 x=22 y=3", "", "\u00c9T\u00c9 \u00e9",
              "tab\tand\nline", "\u00a0wide\u2003", "ab" * 30, "answer: b", ": C", "red apple", "red", "Guilty of Romance", "a.b*c"]
    variants = [
        {"filter": [], "options": {}},
        {"filter": [{"function": "remove_whitespace"}, {"function": "take_first"}], "options": {"ignore_case": True}},
        {"filter": [{"function": "lowercase"}, {"function": "take_first"}], "options": {"ignore_punctuation": True}},
        {"filter": [{"function": "regex", "regex_pattern": "(x)=(\\d+)|(y)", "group_select": -1}, {"function": "take_first"}], "options": {}},
        {"filter": [{"function": "regex", "regex_pattern": "\\w*", "group_select": 0}, {"function": "take_first"}], "options": {"ignore_case": True}},
        {"filter": [{"function": "regex", "regex_pattern": "(?<=answer is )(.*)(?=.)", "fallback": "none"}, {"function": "take_first"}],
         "options": {"ignore_punctuation": True, "ignore_case": True}},
        {"filter": [{"function": "uppercase"}, {"function": "take_first"}], "options": {"regexes_to_ignore": ["[aeiou]", "\\s+$"], "ignore_case": True}},
        {"filter": [{"function": "take_first"}], "options": {"ignore_numbers": True, "ignore_punctuation": True}},
        {"filter": [{"function": "multi_choice_regex", "regex_pattern": "(\\([A-Z]\\))", "group_select": -1, "ignore_case": True,
                     "ignore_punctuation": True}, {"function": "take_first"}], "options": {"ignore_case": True, "ignore_punctuation": True}},
    ]
    choices = ["red", "red apple", "Guilty", "Guilty of Romance"]
    cases = []
    for variant in variants:
        steps = [(c["function"], {k: v for k, v in c.items() if k != "function"}) for c in variant["filter"]]
        for text in pieces:
            answer = apply_filters(steps or [("take_first", {})], text, {"choices": choices})
            target = rng.choice(pieces + [answer, answer.upper(), answer.lower()])
            score = exact_match_hf_evaluate(predictions=[answer], references=[target], **variant["options"])["exact_match"]
            cases.append({"filter": variant["filter"], "options": variant["options"], "choices": choices, "text": text,
                          "target": target, "answer": answer, "score": float(score)})
    return cases


def is_equiv_cases(rng):
    path = TASKS / "hendrycks_math" / "utils.py"
    spec = importlib.util.spec_from_file_location("hendrycks_utils", path)
    utils = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(utils)
    answers = ["\\frac{1}{2}", "\\frac12", "\\frac1{2}", "\\dfrac{1}{2}", "\\tfrac 12", "1/2", "0.5", ".5", "-1/2", "-.5", "\\frac{72}3", "\\sqrt3",
               "\\sqrt{3}", "2\\sqrt2", "\\sqrt", "\\frac", "x=5", "5", "k = 5", "10\\%", "10", "\\$10", "30^\\circ", "30^{\\circ}", "30",
               "\\left( 3, \\frac{\\pi}{2} \\right)", "(3,\\frac{\\pi}{2})", "5\\text{ cm}", "5 \\text{ cm}", "5\\text{ a}\\text{ b}", "\\text{Evelyn}",
               "Evelyn", "1,000", "1000", "\\! 7", "7", "\\\\frac12", "{.5}", "x \\in [1,2]", "[1,2]", "a/b", "3/4", "3 / 4", "1/2/3", "", " ",
               "\\frac{1}{b}", "\\frac1b", "abc = 4", "4", "\\frac a", "01/2", "+1/2", "\n5", "6 \\frac12"]
    pairs = [(a, b) for a in answers for b in rng.sample(answers, 6)]
    solutions = ["so \\boxed{5}.", "\\boxed{\\frac{1}{2}} and \\boxed{\\sqrt{3}}", "none", "\\boxed 7 $x$", "\\fbox{3}", "\\boxed{unclosed", "\\boxed{}",
                 "$\\boxed{\\left( 3, \\frac{\\pi}{2} \\right)}$", "\\boxed{a{b}c} }", "\\boxed"]

    def boxed(text):
        try:
            found = utils.last_boxed_only_string(text)
            return None if found is None else utils.remove_boxed(found)
        except AssertionError:
            return None

    return {"is_equiv": [{"a": a, "b": b, "equal": bool(utils.is_equiv(a, b))} for a, b in pairs],
            "boxed": [{"text": t, "answer": boxed(t)} for t in solutions]}


# Two tasks over documents of our own, run by the harness's evaluator with a "model" whose outputs are drawn beforehand, and
# written as `--log_samples` writes them.
CHOICE_WORDS = ["red", "green apple", "\u00e9t\u00e9", "\u96ea\u56fd", "a much longer choice", "no", "B", "\U0001f600 yes"]


class Canned:
    """Answers in the order of requests."""

    def __new__(cls, rng):
        from lm_eval.api.model import LM

        class Model(LM):
            def generate_until(self, requests):
                return [rng.choice(FRAMES).format(n=rng.choice(NUMBERS + ["18"] * 20)) for _ in requests]

            def loglikelihood(self, requests):
                return [(round(-len(r.args[1]) * rng.uniform(0.5, 3), 6), False) for r in requests]

            def loglikelihood_rolling(self, requests):
                raise NotImplementedError

        return Model()


def write_samples(rng):
    import tempfile

    import lm_eval
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    gsm8k = yaml_of("gsm8k/gsm8k.yaml")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        docs = [{"question": f"What is {i} + {18 - i}?", "answer": f"{i} + {18 - i} = 18.\n#### 18",
                 "choices": rng.sample(CHOICE_WORDS, 4), "gold": rng.randrange(4)} for i in range(16)]
        (folder / "docs.jsonl").write_text("\n".join(json.dumps(d) for d in docs))
        common = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(folder / "docs.jsonl")}}, "test_split": "test"}
        copied = {k: gsm8k[k] for k in ("output_type", "doc_to_text", "doc_to_target", "metric_list", "generation_kwargs", "filter_list")}
        (folder / "gsm8k.yaml").write_text(yaml.dump({"task": "own_gsm8k", **common, **copied}))
        (folder / "choices.yaml").write_text(yaml.dump({
            "task": "own_choices", **common, "output_type": "multiple_choice", "doc_to_text": "{{question}}", "doc_to_target": "{{gold}}",
            "doc_to_choice": "{{choices}}", "metric_list": [{"metric": m, "aggregation": "mean", "higher_is_better": True}
                                                            for m in ("acc", "acc_norm", "acc_bytes")]}))
        manager = TaskManager(include_path=str(folder), include_defaults=False)
        results = lm_eval.simple_evaluate(model=Canned(rng), tasks=["own_gsm8k", "own_choices"], task_manager=manager, log_samples=True,
                                          bootstrap_iters=0)
        samples = results.pop("samples")
        tracker = EvaluationTracker(output_path=str(folder / "out"))
        tracker.general_config_tracker.model_name = tracker.general_config_tracker.model_name_sanitized = "canned"
        tracker.save_results_aggregated(results=results, samples=samples)
        for task, rows in samples.items():
            tracker.save_results_samples(task_name=task, samples=rows)
            written, = (folder / "out" / "canned").glob(f"samples_{task}_*.jsonl")
            (FIXTURES / f"lm_eval_samples_{task}.jsonl").write_text(written.read_text())


def main():
    rng = random.Random(7)
    gsm8k = []
    if len(sys.argv) > 1:
        gsm8k = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")][:40]
    FIXTURES.mkdir(exist_ok=True)
    version = importlib.metadata.version("lm-eval")

    def write(name, content):
        (FIXTURES / name).write_text(json.dumps({"lm_eval": version, **content}, indent=0, ensure_ascii=True) + "\n")

    write("lm_eval_gsm8k.json", {"cases": gsm8k_cases(rng, gsm8k)})
    write("lm_eval_exact_match.json", {"cases": exact_match_cases(rng)})
    write("lm_eval_math.json", is_equiv_cases(rng))
    write_samples(rng)


if __name__ == "__main__":
    main()
