#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/example.h"
#include "datasets/records.h"
#include "eval/text_pattern.h"

// A benchmark as data: where its file has what, how a question is put, how an answer is scored. docs/tasks.md describes
// the JSON that these are read from; the built-in ones (eval/public_tasks.h) are written in the same JSON.

namespace tacit {

// A text, or a list of them, of a record.
struct FieldSpec {
  // "answer.text": a dotted path; "{Body} {Question}": a text with paths in braces. Several: a list, one text each.
  std::vector<std::string> from;
  bool optional = false;  // nothing where the record has nothing there; else that is an error
  // In this order. What `find` does not find is an error, or nothing where the field is optional.
  std::optional<TextPattern> find;
  bool find_last = false;
  std::vector<std::pair<TextPattern, std::string>> replace;  // every match, $1 to $9 are groups
  std::map<std::string, std::string> words;                  // whole text -> what stands for it: {"true": "yes"}
  // A list from one text: what a pattern finds in it, or what stands between its matches.
  std::optional<TextPattern> each, split;
  std::optional<TextPattern> count;  // an integer: how often it occurs
  bool integer = false;              // of meta: texts become integers
  bool list = false;                 // of meta: a list though `from` is one text
};

// How a file says which choice is right. Example::answer is the letter whatever it is, but for `text`.
enum class AnswerForm { text, letter, index /* from 0 */, number /* from 1 */ };

// One form in which a benchmark is published. A task takes the first of its forms that fits a file's first record.
struct FormSpec {
  RecordOptions records;
  FieldSpec question, answer;
  std::optional<FieldSpec> steps, choices, depth;
  AnswerForm answer_is = AnswerForm::text;
  std::map<std::string, FieldSpec> meta;  // what a scorer needs beside the answer: puzzle, numbers, target
};

// How a question is put to a model that was not trained on the task. {question}, {choices}, {answer} and {steps} are
// replaced; other braces stay.
struct PromptSpec {
  std::string question;                      // "Question: {question}\nAnswer:"; "" = the question as it stands
  std::string choice = "({letter}) {text}";  // a line of {choices}
  std::string solution = " {answer}";  // behind the question of a solved example; "" = the file holds no solutions
  std::string step_separator = "\n";   // between the steps of {steps}
  std::string separator = "\n\n";      // between solved examples
};

struct ScorerSpec {
  std::string name;
  Json options;  // null = the scorer's defaults
};

struct TaskSpec {
  std::string name, summary;
  std::string published, licence;  // where the file is found and on what terms; "" = not known
  std::filesystem::path data;      // of a task that brings its own; "" = must be given
  std::vector<FormSpec> forms;
  PromptSpec prompt;
  std::vector<ScorerSpec> scorers;  // the first decides
  int64_t max_answer_tokens = 32;
  std::vector<std::string> stop;  // the answer's text ends before the first of these
};

// Fails naming the source, the field, what was expected and what came. Paths are relative to `folder`.
TaskSpec read_task_spec(const Json& json, const std::string& source, const std::filesystem::path& folder = {});
TaskSpec open_task_spec(const std::filesystem::path& file);

// A file's problems; ids are FILE'S-STEM/number. Also reads JSON lines of examples (datasets/example.h), whatever the
// task. Fails naming the file and its line or item. An empty answer is an error unless `empty_answers` are welcome.
std::vector<Example> read_problems(const TaskSpec& spec, const std::filesystem::path& file, bool empty_answers = false);

// "A", "B", .. of a choice.
std::string choice_letter(int64_t index);

}  // namespace tacit
