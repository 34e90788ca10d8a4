#include "eval/public_tasks.h"

#include <algorithm>

#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

// Task files, as docs/tasks.md describes them.
constexpr const char* kTasks[] = {
    R"json({
  "name": "prontoqa",
  "summary": "ProntoQA, 5 hops: true or false by a chain of rules about made-up kinds [arXiv:2210.01240], in Coconut's format",
  "published": "https://github.com/asaparov/prontoqa; as Coconut's JSON https://github.com/michaelrizvi/coconut data/prontoqa_test.json",
  "licence": "MIT",
  "format": "json",
  "fields": {"question": "question", "steps": "steps", "answer": "answer"},
  "prompt": "Question: {question}\nAnswer:",
  "solution": " {steps}\n### {answer}",
  "scorers": ["boolean", "proof"],
  "max_answer_tokens": 256,
  "stop": ["\n\n", "Question:"]
})json",
    R"json({
  "name": "gsm8k",
  "summary": "GSM8K: grade-school word problems [arXiv:2110.14168]",
  "published": "https://github.com/openai/grade-school-math grade_school_math/data/test.jsonl",
  "licence": "MIT",
  "format": "jsonl",
  "fields": {
    "question": "question",
    "steps": {"from": "answer", "split": "\n", "remove": "^####.*$"},
    "answer": {"from": "answer", "find": "####\\s*(.*)", "take": "last", "remove": ","},
    "depth": {"from": "answer", "count": "<<"}
  },
  "prompt": "Question: {question}\nAnswer:",
  "solution": " {steps}\n#### {answer}",
  "scorers": ["gsm8k_flexible", "gsm8k_strict", "numeric"],
  "max_answer_tokens": 256,
  "stop": ["Question:", "</s>", "<|im_end|>"]
})json",
    R"json({
  "name": "gsm_hard",
  "summary": "GSM-Hard: GSM8K's test questions with large numbers [arXiv:2211.10435]",
  "published": "https://huggingface.co/datasets/reasoning-machines/gsm-hard gsmhardv2.jsonl",
  "licence": "MIT",
  "format": "jsonl",
  "fields": {
    "question": "input",
    "answer": {"from": "target", "remove": "\\.0$"}
  },
  "prompt": "Question: {question}\nAnswer:",
  "scorers": ["numeric", "gsm8k_flexible"],
  "max_answer_tokens": 256,
  "stop": ["Question:"]
})json",
    R"json({
  "name": "svamp",
  "summary": "SVAMP: arithmetic word problems with varied wording [arXiv:2103.07191]",
  "published": "https://github.com/arkilpatel/SVAMP SVAMP.json",
  "licence": "MIT",
  "format": "json",
  "fields": {
    "question": {"from": "{Body}\n{Question}", "replace": [["([.?!])\\n", "$1 "], ["\\n", ". "]]},
    "steps": "Equation",
    "answer": {"from": "Answer", "remove": "\\.0$"}
  },
  "prompt": "Question: {question}\nAnswer:",
  "scorers": ["numeric", "gsm8k_flexible"],
  "max_answer_tokens": 256,
  "stop": ["Question:"]
})json",
    R"json({
  "name": "multiarith",
  "summary": "MultiArith: word problems of several operations [Roy & Roth, EMNLP 2015]",
  "published": "http://cogcomp.org/page/resource_view/98 MultiArith.json; https://huggingface.co/datasets/ChilleD/MultiArith",
  "forms": [
    {"format": "json",
     "fields": {
       "question": "sQuestion",
       "steps": {"from": "lEquations", "optional": true},
       "answer": {"from": "lSolutions.0", "remove": "\\.0$"}
     }},
    {"format": "json", "fields": {"question": "question", "answer": {"from": "final_ans", "remove": "\\.0$"}}}
  ],
  "prompt": "Question: {question}\nAnswer:",
  "solution": " {answer}",
  "scorers": ["numeric", "gsm8k_flexible"],
  "max_answer_tokens": 256,
  "stop": ["Question:"]
})json",
    R"json({
  "name": "aqua",
  "summary": "AQuA-RAT: algebra with five choices and rationales [arXiv:1705.04146]",
  "published": "https://github.com/google-deepmind/AQuA test.json",
  "licence": "Apache-2.0",
  "format": "jsonl",
  "fields": {
    "question": "question",
    "choices": {"from": "options", "remove": "^[A-E]\\s*\\)"},
    "steps": {"from": "rationale", "split": "\n"},
    "answer": "correct",
    "answer_is": "letter"
  },
  "prompt": "Question: {question}\nAnswer choices:\n{choices}\nAnswer:",
  "solution": " ({answer})",
  "scorers": ["choice_text"],
  "max_answer_tokens": 256,
  "stop": ["\n\n", "Question:"]
})json",
    R"json({
  "name": "strategyqa",
  "summary": "StrategyQA: yes or no by implicit steps [arXiv:2101.02235]",
  "published": "https://github.com/eladsegal/strategyqa; filtered https://github.com/maitrix-org/llm-reasoners examples/CoT/strategyQA/data",
  "licence": "MIT; the filtered file Apache-2.0",
  "format": "json",
  "fields": {
    "question": "question",
    "steps": {"from": "facts", "optional": true},
    "answer": {"from": "answer", "words": {"true": "yes", "false": "no"}}
  },
  "prompt": "Question: {question} Yes or no?\nAnswer:",
  "scorers": ["boolean"],
  "max_answer_tokens": 256,
  "stop": ["\n\n", "Question:"]
})json",
    R"json({
  "name": "math500",
  "summary": "MATH-500: competition problems whose answer stands in a box [arXiv:2103.03874, arXiv:2305.20050]",
  "published": "https://huggingface.co/datasets/HuggingFaceH4/MATH-500 test.jsonl; https://github.com/eric-ai-lab/Soft-Thinking datasets/math500.json",
  "licence": "MIT",
  "forms": [
    {"format": "json", "fields": {"question": "prompt.0.value", "answer": "final_answer"}},
    {"format": "jsonl",
     "fields": {"question": "problem", "answer": "answer", "steps": {"from": "solution", "split": "\n"}, "depth": "level"}}
  ],
  "prompt": "Problem:\n{question}\n\nSolution:",
  "solution": " The answer is $\\boxed{{answer}}$.",
  "scorers": ["boxed"],
  "max_answer_tokens": 512,
  "stop": ["Problem:"]
})json",
    R"json({
  "name": "bbh",
  "summary": "BIG-Bench Hard: one sub-task a file, named by the ids [arXiv:2210.09261]",
  "published": "https://github.com/suzgunmirac/BIG-Bench-Hard bbh/*.json",
  "licence": "MIT",
  "format": "json",
  "list": "examples",
  "fields": {
    "question": "input",
    "choices": {"from": "input", "each": "(?m)^(?:\\([A-Z]\\)|-) (.+)$"},
    "answer": "target"
  },
  "prompt": "Q: {question}\nA:",
  "scorers": [
    "sentence",
    {"name": "exact_match",
     "options": {"filter": [{"function": "regex", "regex_pattern": "(?<=the answer is )(.*)(?=.)"}, {"function": "take_first"}]}}
  ],
  "max_answer_tokens": 64,
  "stop": ["\n\n", "Q:"]
})json",
    R"json({
  "name": "countdown",
  "summary": "Countdown and the Game of 24: reach a number with all of some others [arXiv:2404.03683, arXiv:2305.10601]",
  "published": "https://github.com/dllm-reasoning/d1 dataset/countdown_cd3_test.jsonl; https://github.com/princeton-nlp/tree-of-thought-llm src/tot/data/24/24.csv",
  "licence": "Apache-2.0; the Game of 24 MIT",
  "forms": [
    {"format": "jsonl",
     "fields": {
       "question": {"from": "Use {input} to make {output}.", "replace": [[",\\s*", ", "]]},
       "answer": "output",
       "meta": {"numbers": {"from": "input", "split": ",", "as": "integers"}, "target": {"from": "output", "as": "integer"}}
     }},
    {"format": "csv",
     "fields": {
       "question": {"from": "Use {Puzzles} to make 24.", "replace": [["(?<=\\d) (?=\\d)", ", "]]},
       "answer": {"from": "Puzzles", "replace": [["^.+$", "24"]]},
       "meta": {
         "numbers": {"from": "Puzzles", "split": " +", "as": "integers"},
         "target": {"from": "Puzzles", "replace": [["^.+$", "24"]], "as": "integer"}
       }
     }}
  ],
  "prompt": "Write one expression of + - * / and brackets. Every number is used exactly once.\nQuestion: {question}\nAnswer:",
  "solution": "",
  "scorers": [{"name": "countdown", "options": {"all": true}}],
  "max_answer_tokens": 128,
  "stop": ["\n\n", "Question:"]
})json",
    R"json({
  "name": "sudoku",
  "summary": "Sudoku, 4 by 4 or 9 by 9: row after row, 0 where a cell is empty",
  "published": "https://github.com/dllm-reasoning/d1 dataset/4x4_test_sudoku.csv; https://www.kaggle.com/datasets/bryanpark/sudoku",
  "licence": "Apache-2.0; the 9 by 9 CC0",
  "forms": [
    {"format": "csv", "fields": {"question": "Puzzle", "answer": "Solution", "meta": {"puzzle": "Puzzle"}}},
    {"format": "csv", "fields": {"question": "quizzes", "answer": "solutions", "meta": {"puzzle": "quizzes"}}}
  ],
  "prompt": "Fill the grid, given row after row with 0 for an empty cell: every row, column and box holds each digit once.\nPuzzle: {question}\nSolution:",
  "scorers": ["sudoku"],
  "max_answer_tokens": 128,
  "stop": ["\n\n", "Puzzle:"]
})json",
    R"json({
  "name": "multiplication",
  "summary": "Products of numbers of 4, 5 or 7 digits, least significant digit first, with partial sums [arXiv:2405.14838]",
  "published": "https://github.com/da03/Internalize_CoT_Step_by_Step data/4_by_4_mult",
  "licence": "MIT",
  "format": "lines",
  "fields": {
    "question": {"from": "line", "find": "^(.*?)\\s*\\|\\|"},
    "steps": {"from": "line", "each": "\\|\\|\\s*(.*?)\\s*####"},
    "answer": {"from": "line", "find": "####\\s*(.*)$"}
  },
  "scorers": ["sentence"],
  "max_answer_tokens": 32
})json",
    R"json({
  "name": "listops",
  "summary": "ListOps from a file, brackets of the parse dropped",
  "published": "https://github.com/nyu-mll/spinn python/spinn/data/listops; https://github.com/google-research/long-range-arena",
  "licence": "MIT; Long Range Arena Apache-2.0",
  "forms": [
    {"format": "tsv",
     "fields": {"question": {"from": "Source", "replace": [["[()]", ""], ["\\s+", " "]]}, "answer": "Target"}},
    {"format": "tsv", "header": false,
     "fields": {
       "question": {"from": "1", "replace": [["[()]", ""], ["\\s+", " "]]},
       "answer": {"from": "0", "find": "^\\d$"}
     }}
  ],
  "scorers": ["first_word"],
  "max_answer_tokens": 8
})json",
    R"json({
  "name": "clutrr",
  "summary": "CLUTRR: how two people of a story are related [arXiv:1908.06177]",
  "published": "https://github.com/facebookresearch/clutrr; https://huggingface.co/datasets/CLUTRR/v1",
  "licence": "CC-BY-NC-4.0",
  "forms": [
    {"format": "csv",
     "fields": {
       "question": {"from": "{story}\n{query}", "replace": [["\\n\\('(.*?)', '(.*?)'\\)$", " How is $2 related to $1?"]]},
       "answer": "target_text",
       "depth": {"from": "task_name", "find": "\\.(\\d+)$", "optional": true}
     }},
    {"format": "csv",
     "fields": {
       "question": {"from": "{story}\n{query}", "replace": [["\\n\\('(.*?)', '(.*?)'\\)$", " How is $2 related to $1?"]]},
       "answer": {"from": "target", "find": "^[a-z-]+$"},
       "depth": {"from": "task_name", "find": "\\.(\\d+)$", "optional": true}
     }}
  ],
  "prompt": "Question: {question}\nAnswer:",
  "scorers": ["sentence"],
  "max_answer_tokens": 16,
  "stop": ["\n"]
})json",
};

}  // namespace

const std::vector<TaskSpec>& public_tasks() {
  static const std::vector<TaskSpec> all = [] {
    std::vector<TaskSpec> specs;
    for (const char* text : kTasks) {
      specs.push_back(read_task_spec(parse_json_unique(text, "read_task", "a built-in task"), "a built-in task"));
    }
    return specs;
  }();
  return all;
}

const TaskSpec* find_public_task(const std::string& name) {
  const auto found = std::ranges::find(public_tasks(), name, &TaskSpec::name);
  return found == public_tasks().end() ? nullptr : &*found;
}

std::string public_task_json(const std::string& name) {
  std::vector<std::string> names;
  const std::vector<TaskSpec>& all = public_tasks();
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].name == name) return kTasks[i];
    names.push_back(all[i].name);
  }
  std::string known;
  for (const std::string& each : names) known += (known.empty() ? "" : ", ") + each;
  fail("task", "expected one of ", known, " but got '", name, "'", did_you_mean(name, names));
}

}  // namespace tacit
