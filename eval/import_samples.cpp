#include "eval/import_samples.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "eval/prompts.h"
#include "eval/rescore.h"
#include "eval/run_folder.h"
#include "eval/scorers/choice.h"
#include "eval/scorers/plain_text.h"
#include "eval/scorers/scorers.h"
#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/version.h"

namespace tacit {
namespace {

constexpr const char* kImport = "import";

// One document of the file, all of its lines together.
struct Document {
  int64_t id = 0;
  std::string prompt, target;
  std::vector<std::string> texts;         // generated, one a repeat
  std::vector<std::string> choices;       // of a multiple choice, without the space in front
  std::vector<double> log_probabilities;  // of the choices
  std::vector<OtherScore> verdicts;       // of the harness

  bool same_as(const Document& other) const {
    return texts == other.texts && choices == other.choices && log_probabilities == other.log_probabilities;
  }
};

std::string text_of(const Json& json) { return json.is_string() ? json.get<std::string>() : json.dump(); }

// One line of the file. Its fields are checked as they are read.
class Line {
 public:
  Line(const Json& json, const std::string& source) : json_(json), in_(json_, kImport, source) {}

  int64_t id() const { return in_.integer("doc_id"); }

  Document document() const {
    Document out;
    out.id = id();
    if (!in_.has("target")) in_.reject("target", "to be there");
    out.target = text_of(json_.at("target"));
    const std::vector<std::vector<Json>> arguments = this->arguments();
    out.prompt = text_of(arguments[0][0]);
    const Json& responses = list("resps");
    if (of_choices(responses)) {
      read_choices(responses, arguments, out);
    } else {
      if (responses.size() != 1 || !responses[0].is_array()) in_.reject("resps", "to be a list of one list of texts");
      for (const Json& text : responses[0]) {
        if (!text.is_string()) in_.reject("resps", "to hold texts, or pairs of log probability and flag,");
        out.texts.push_back(text.get<std::string>());
      }
      if (out.texts.empty()) in_.reject("resps", "to hold a text");
    }
    return out;
  }

  // The harness's own verdicts by this line's filter.
  std::vector<OtherScore> verdicts() const {
    std::vector<OtherScore> out;
    const std::string filter = in_.string("filter", "none");
    const std::vector<std::string> metrics =
        in_.has("metrics") ? in_.strings("metrics") : std::vector<std::string>{"exact_match", "acc", "acc_norm"};
    for (const std::string& metric : metrics) {
      if (!json_.contains(metric) || !json_.at(metric).is_number()) continue;
      Score score{.answer = filtered(), .extracted = filtered() != "[invalid]"};
      if (!score.extracted) score.answer.clear();
      score.correct = json_.at(metric).get<double>() >= 1;
      const std::string name = filter == "none" ? metric : metrics.size() == 1 ? filter : filter + "/" + metric;
      out.push_back({"harness:" + name, score});
    }
    return out;
  }

 private:
  const Json& list(const char* name) const {
    if (!in_.has(name) || !json_.at(name).is_array() || json_.at(name).empty()) {
      in_.reject(name, "to be a list that is not empty");
    }
    return json_.at(name);
  }

  // By request: {"gen_args_0": {"arg_0": .., "arg_1": ..}}, or [[.., ..]] as older versions wrote it.
  std::vector<std::vector<Json>> arguments() const {
    if (!in_.has("arguments") || json_.at("arguments").empty()) in_.reject("arguments", "to hold the requests");
    const Json& given = json_.at("arguments");
    std::vector<std::vector<Json>> out;
    for (size_t i = 0; i < given.size(); ++i) {
      const Json* request = nullptr;
      if (given.is_array()) {
        request = &given[i];
      } else if (const std::string name = "gen_args_" + std::to_string(i); given.is_object() && given.contains(name)) {
        request = &given.at(name);
      }
      if (request == nullptr || !request->is_structured() || request->empty()) {
        in_.reject("arguments", "to hold gen_args_0, gen_args_1, ..");
      }
      std::vector<Json>& one = out.emplace_back();
      for (size_t k = 0; k < request->size(); ++k) {
        const std::string name = "arg_" + std::to_string(k);
        if (request->is_object() && !request->contains(name)) in_.reject("arguments", "to hold arg_0, arg_1, ..");
        one.push_back(request->is_array() ? (*request)[k] : request->at(name));
      }
    }
    return out;
  }

  // [[["-4.0", "False"]], [["-10.0", "False"]]]
  static bool of_choices(const Json& responses) {
    return responses[0].is_array() && !responses[0].empty() && responses[0][0].is_array();
  }

  void read_choices(const Json& responses, const std::vector<std::vector<Json>>& arguments, Document& out) const {
    if (responses.size() != arguments.size()) in_.reject("resps", "to hold a response for each of its arguments");
    for (size_t i = 0; i < responses.size(); ++i) {
      const Json& pair = responses[i].is_array() && !responses[i].empty() ? responses[i][0] : Json();
      if (!pair.is_array() || pair.empty()) in_.reject("resps", "to hold pairs of log probability and flag");
      if (arguments[i].size() < 2 || !arguments[i][1].is_string()) in_.reject("arguments", "to hold the choices");
      out.log_probabilities.push_back(number(pair[0]));
      std::string choice = arguments[i][1].get<std::string>();
      if (choice.starts_with(' ')) choice.erase(0, 1);  // the delimiter
      out.choices.push_back(std::move(choice));
    }
  }

  double number(const Json& json) const {
    if (json.is_number()) return json.get<double>();
    double value = 0;
    const std::string text = text_of(json);
    const char* end = text.data() + text.size();
    char* read = nullptr;
    value = std::strtod(text.c_str(), &read);
    if (text.empty() || read != end || std::isnan(value)) in_.reject("resps", "to hold numbers");
    return value;
  }

  std::string filtered() const {
    const Json& all = list("filtered_resps");
    const Json& first = all[0].is_array() && !all[0].empty() && all.size() == 1 ? all[0][0] : all[0];
    return first.is_string() ? first.get<std::string>() : "";
  }

  Json json_;
  JsonReader in_;
};

std::vector<Document> read_documents(const std::filesystem::path& file) {
  std::vector<Document> documents;
  std::map<int64_t, size_t> place;
  for_each_line(file, kImport, [&](std::string_view text, int64_t number) {
    if (text.empty()) return;
    const std::string source = file.string() + ", line " + std::to_string(number);
    const Json json = parse_json(text, kImport, source);
    require(json.is_object(), kImport, "expected a sample as a JSON object but got ", json.type_name(), " in ", source);
    const Line line(json, source);
    const auto [found, fresh] = place.emplace(line.id(), documents.size());
    if (fresh) documents.push_back(line.document());
    Document& document = documents[found->second];
    require(fresh || document.same_as(line.document()), kImport, "expected the texts and choices of document ",
            document.id, " to be those of its earlier line but they differ in ", source);
    for (OtherScore& verdict : line.verdicts()) {
      const bool again = std::ranges::count(document.verdicts, verdict.scorer, &OtherScore::scorer) > 0;
      require(!again, kImport, "expected one verdict of ", verdict.scorer, " on document ", document.id,
              " but got another in ", source);
      document.verdicts.push_back(std::move(verdict));
    }
  });
  require(!documents.empty(), kImport, "expected samples but got none in ", file.string());
  const bool choices = !documents[0].choices.empty();
  for (const Document& document : documents) {
    require(document.choices.empty() != choices, kImport, "expected all documents to be of one kind but ", document.id,
            choices ? " has no choices" : " has choices", " in ", file.string());
  }
  return documents;
}

// The index that the harness writes for the right choice, else its text.
std::string right_choice(const Document& document) {
  const std::string& target = document.target;
  const bool index =
      !target.empty() && target.size() < 4 && std::ranges::all_of(target, [](char c) { return c >= '0' && c <= '9'; });
  if (index && std::stoul(target) < document.choices.size()) return document.choices[std::stoul(target)];
  return target;
}

// "samples_gsm8k_2026-11-28T20-31-50.903506.jsonl" -> "gsm8k"
std::string task_in_name(const std::filesystem::path& file) {
  std::string name = file.stem().string();
  if (name.starts_with("samples_")) name.erase(0, 8);
  const size_t date = name.rfind("_2");
  if (date != std::string::npos && name.find('T', date) != std::string::npos) name.resize(date);
  return valid_utf8(name);
}

Example own_example(const Document& document, const std::string& task) {
  Example out;
  out.id = task + "/" + std::to_string(document.id);
  out.question = document.prompt;
  out.choices = document.choices;
  out.answer = document.choices.empty() ? document.target : right_choice(document);
  return out;
}

// The task's example of this number, which must have the document's answer.
Example task_example(const Document& document, const std::vector<Example>& examples) {
  require(document.id >= 0 && document.id < std::ssize(examples), kImport, "expected document ids from 0 to ",
          examples.size() - 1, ", the task's examples, but got ", document.id);
  const Example& example = examples[document.id];
  const std::string target = stripped(document.choices.empty() ? document.target : right_choice(document));
  const std::string answer = stripped(example.answer);
  const std::string before = target.ends_with(answer) ? target.substr(0, target.size() - answer.size()) : "";
  bool same = target == answer || (!before.empty() && std::isspace(static_cast<unsigned char>(before.back())) != 0);
  if (!same && !example.choices.empty()) same = target == stripped(example.choices[reference_choice(example)]);
  require(same, kImport, "expected '", example.answer, "', the answer of '", example.id, "', but document ",
          document.id, " has '", target, "': it is another problem");
  return example;
}

Sample sample_of(const Document& document, size_t repeat, const Example& example, const std::string& task) {
  Sample out;
  out.task = task;
  out.id = example.id;
  out.method = "imported";
  out.repeat = static_cast<int64_t>(repeat);
  out.question = document.prompt;
  out.expected = example.answer;
  if (document.choices.empty()) {
    out.text = document.texts[repeat];
  } else {
    for (double value : document.log_probabilities) out.choices.push_back({value, 0});
    out.text =
        document.choices[std::ranges::max_element(document.log_probabilities) - document.log_probabilities.begin()];
  }
  if (document.texts.size() <= 1) out.scores = document.verdicts;  // of several texts it judges one
  return out;
}

// As write_examples() has them.
std::string lines_of(const std::vector<Example>& examples) {
  std::string out;
  for (const Example& example : examples) out += to_json(example).dump() + "\n";
  return out;
}

// `examples`: the lines of the run's own, where it is of no task.
OrderedJson record_of(const ImportOptions& options, const Task& task, bool chosen, const std::string& examples) {
  OrderedJson json = {{"command", options.command},
                      {"model", valid_utf8(options.file.parent_path().filename().string())},
                      {"method", "imported"},
                      {"task", task.name},
                      {"imported", valid_utf8(options.file.filename().string())},
                      {"imported_sha256", sha256_hex(MappedFile::open(options.file, kImport)->bytes())}};
  if (options.task.empty()) {
    json["examples"] = "examples.jsonl";
    json["examples_sha256"] = sha256_hex(examples);
  } else if (const std::filesystem::path data = data_of(task, {.data = options.data}); !data.empty()) {
    json["data"] = valid_utf8(data.filename().string());
    json["data_path"] = valid_utf8(data.string());
    json["data_sha256"] = sha256_hex(MappedFile::open(data, kImport)->bytes());
  }
  if (!task.file_sha256.empty()) {
    json["task_path"] = valid_utf8(options.task);
    json["task_sha256"] = task.file_sha256;
  }
  if (chosen) {  // those of a task have options of their own
    for (const Scorer& scorer : task.scorers) json["scorers"].push_back(scorer.name);
  }
  json["versions"] = {{"tacit", version}};
  return json;
}

}  // namespace

Run import_samples(const ImportOptions& options) {
  require(!options.out.empty(), kImport, "expected a folder for the run");
  require(!exists(options.out / "run.json") && !exists(options.out / "samples.jsonl"), kImport,
          "expected a new folder but got ", options.out.string(), ", which has a run");
  const std::vector<Document> documents = read_documents(options.file);
  Task task;
  std::vector<Example> all;
  if (options.task.empty()) {
    task.name = task_in_name(options.file);
  } else {
    task = tacit::task(options.task);
    all = load_examples(task, {.data = options.data});
  }
  std::vector<std::string> names = options.scorers;
  if (names.empty() && options.task.empty()) {
    names = documents[0].choices.empty()
                ? std::vector<std::string>{"numeric", "exact_match"}
                : std::vector<std::string>{"choice_likelihood", "choice_likelihood_norm", "choice_likelihood_bytes"};
  }
  if (!names.empty()) task.scorers.clear();
  for (const std::string& name : names) task.scorers.push_back(stopping_at(scorer(name), task.stop));

  std::vector<Example> examples;
  Run run;
  for (const Document& document : documents) {
    examples.push_back(options.task.empty() ? own_example(document, task.name) : task_example(document, all));
    const size_t repeats = std::max<size_t>(document.texts.size(), 1);
    for (size_t repeat = 0; repeat < repeats; ++repeat) {
      run.samples.push_back(sample_of(document, repeat, examples.back(), task.name));
      score(run.samples.back(), examples.back(), task);
    }
  }
  const std::string own = options.task.empty() ? lines_of(examples) : "";
  run.record = record_of(options, task, !names.empty(), own);
  run.metrics = score_samples(run.samples, {.model = run.record.at("model"), .method = "imported", .task = task.name});
  RunFolder folder(options.out, run.record, kImport);
  if (options.task.empty()) write_file_atomic(options.out / "examples.jsonl", own, kImport);
  folder.store(run.samples);
  folder.store(run.metrics);
  return run;
}

}  // namespace tacit
