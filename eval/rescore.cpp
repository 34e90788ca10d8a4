#include "eval/rescore.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "datasets/generators.h"
#include "eval/prompts.h"
#include "eval/run_folder.h"
#include "eval/scorers/scorers.h"
#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/folder_lock.h"
#include "lib/core/version.h"

namespace tacit {
namespace {

constexpr const char* kRescore = "rescore";

Score score_with(const Scorer& scorer, const Sample& sample, const Example& example) {
  if (sample.too_long) return {};
  if (scorer.score_choices && !sample.choices.empty()) return scorer.score_choices(example, sample.choices);
  if (scorer.score_chain && !sample.thoughts.empty()) return scorer.score_chain(example, sample.thoughts, sample.text);
  return scorer.score(example, sample.text);
}

bool differs(const Score& a, const Score& b) {
  return a.answer != b.answer || a.extracted != b.extracted || a.correct != b.correct;
}

// What a run was made from, as its run.json tells it.
class Record {
 public:
  explicit Record(const std::filesystem::path& folder)
      : folder_(folder), file_((folder / "run.json").string()), json_(read_json(folder / "run.json", kRescore)) {}

  const OrderedJson& ordered() const { return ordered_; }
  bool has_own_examples() const { return reader().has("examples"); }

  Task task(const RescoreOptions& options) const {
    Task out;
    if (!options.task.empty() || !has_own_examples()) {
      const std::string own = reader().has("task_path") ? reader().string("task_path") : reader().string("task");
      out = tacit::task(options.task.empty() ? own : options.task);
      const std::string hash = options.task.empty() ? reader().string("task_sha256", "") : "";
      require(hash.empty() || hash == out.file_sha256, kRescore, "expected the task file that the run was made with ",
              "(sha256 ", hash, ") but got ", out.file_sha256, " in ", own, "; --task takes another");
    } else {
      out.name = reader().string("task");
    }
    std::vector<std::string> names = options.scorers;
    if (names.empty() && options.task.empty() && reader().has("scorers")) names = reader().strings("scorers");
    if (!names.empty()) out.scorers.clear();
    for (const std::string& name : names) out.scorers.push_back(stopping_at(scorer(name), out.stop));
    return out;
  }

  std::vector<Example> examples(const Task& task, const RescoreOptions& options) const {
    if (has_own_examples() && options.data.empty()) {
      const std::filesystem::path file = folder_ / reader().string("examples");
      check_hash(file, "examples_sha256");
      return read_examples(file);
    }
    std::optional<uint64_t> limit_seed;
    if (reader().has("limit_seed")) limit_seed = json_.at("limit_seed").get<uint64_t>();
    return load_examples(task, task_options(options), reader().integer("limit", 0), limit_seed);
  }

 private:
  JsonReader reader() const { return {json_, kRescore, file_}; }

  void check_hash(const std::filesystem::path& file, const char* field) const {
    require(std::filesystem::is_regular_file(file), kRescore, "expected the examples of this run at ", file.string(),
            " but there is no such file; --data says where they are");
    const std::string hash = sha256_hex(MappedFile::open(file, kRescore)->bytes());
    require(hash == reader().string(field), kRescore, "expected the file that the run was made from (sha256 ",
            reader().string(field), ") but got ", hash, " in ", file.string(), "; --data takes another file");
  }

  TaskOptions task_options(const RescoreOptions& options) const {
    TaskOptions out;
    const JsonReader in = reader();
    if (in.has("settings")) out.lines = in.object("settings").string("style", "") == "lines";
    if (in.has("style")) {
      out.reach.style = in.string("style") == "english" ? ReachStyle::english : ReachStyle::symbols;
    }
    out.reach.labels = in.integer("labels", out.reach.labels);
    if (in.has("seed")) out.seed = json_.at("seed").get<uint64_t>();
    if (!options.data.empty()) {
      out.data = options.data;
    } else if (in.has("data_path")) {
      out.data = in.string("data_path");
      check_hash(out.data, "data_sha256");
    } else {
      read_generator(out);
    }
    return out;
  }

  void read_generator(TaskOptions& out) const {
    const JsonReader in = reader();
    Json generator = in.object("generator").json();
    out.count = in.object("generator").integer("count");
    generator.erase("count");
    if (in.string("task") != "reach") {
      out.generator = std::move(generator);
      return;
    }
    if (generator.value("kind", "") == "prosqa") {  // which does not read them
      generator.erase("edges_per_node");
      generator.erase("acyclic");
    }
    out.reach = read_reach_options(JsonReader(generator, kRescore, file_, "generator"), out.reach);
  }

  std::filesystem::path folder_;
  std::string file_;
  Json json_;
  OrderedJson ordered_ = read_record(folder_ / "run.json", kRescore);
};

// What the task's rules score on the problems that were asked, of which the file may hold more.
std::vector<Heuristic> heuristics_on(const std::vector<Example>& examples, const std::vector<Sample>& samples,
                                     const Task& task) {
  if (!task.heuristics) return {};
  std::set<std::string_view> ids;
  for (const Sample& sample : samples) ids.insert(sample.id);
  std::vector<Example> asked;
  std::ranges::copy_if(examples, std::back_inserter(asked), [&](const Example& e) { return ids.contains(e.id); });
  return task.heuristics(asked, task.scorers.at(0));
}

OrderedJson note(const Task& task, const RescoreOptions& options) {
  OrderedJson out = {{"task", task.name}};
  if (!task.file_sha256.empty()) out["task_sha256"] = task.file_sha256;
  for (const Scorer& scorer : task.scorers) out["scorers"].push_back(scorer.name);
  if (!options.data.empty()) {
    out["data"] = valid_utf8(options.data.filename().string());
    out["data_sha256"] = sha256_hex(MappedFile::open(options.data, kRescore)->bytes());
  }
  out["tacit"] = version;
  return out;
}

}  // namespace

void score(Sample& sample, const Example& example, const Task& task) {
  require(!task.scorers.empty(), "score", "expected a task with a scorer but '", task.name, "' has none");
  const Score first = score_with(task.scorers[0], sample, example);
  sample.answer = first.answer;
  sample.extracted = first.extracted;
  sample.correct = first.correct;
  std::vector<OtherScore> others;
  for (size_t i = 1; i < task.scorers.size(); ++i) {
    others.push_back({task.scorers[i].name, score_with(task.scorers[i], sample, example)});
  }
  for (OtherScore& other : sample.scores) {  // what another harness said is not ours to say again
    if (other.scorer.starts_with("harness:")) others.push_back(std::move(other));
  }
  sample.scores = std::move(others);
}

Rescored rescore(const std::filesystem::path& folder, const RescoreOptions& options) {
  require(std::filesystem::is_directory(folder), kRescore, "expected a run folder but got ", folder.string());
  std::optional<FolderLock> alone;  // from before it is read: what another writes meanwhile would be lost
  if (!options.dry) alone.emplace(folder, kRescore);
  Rescored out;
  out.run = read_run_as_it_is(folder);
  const Record record(folder);
  const bool mixed = out.run.record.value("rescored", OrderedJson::object()).value("unfinished", false);
  out.before = mixed ? score_samples(out.run.samples, out.run.metrics) : out.run.metrics;
  const Task task = record.task(options);
  const std::vector<Example> examples = record.examples(task, options);
  std::unordered_map<std::string, const Example*> by_id;
  for (const Example& example : examples) by_id[example.id] = &example;
  for (Sample& sample : out.run.samples) {
    for (const Scorer& scorer : task.scorers) {
      require(!scorer.score_choices || !sample.choices.empty() || sample.too_long, kRescore,
              "expected samples that were chosen by ", "likelihood for '", scorer.name, "' but '", sample.id,
              "' has a text alone");
    }
    const auto found = by_id.find(sample.id);
    require(found != by_id.end(), kRescore, "expected an example '", sample.id, "' of task '", task.name,
            "' but there is none among ", examples.size());
    const Example& example = *found->second;
    require(sample.expected == example.answer || !options.data.empty() || !options.task.empty(), kRescore, "expected '",
            example.answer, "' as the reference of '", sample.id, "' but the run has '", sample.expected,
            "': the examples are no longer the same");
    const Score before = {sample.answer, sample.extracted, sample.correct};
    sample.task = task.name;
    sample.expected = example.answer;
    score(sample, example, task);
    const Score after = {sample.answer, sample.extracted, sample.correct};
    if (differs(before, after)) out.changes.push_back({sample.id, sample.repeat, before, after});
  }
  out.run.metrics.task = task.name;
  // Rules of a task read what its own files hold, not what another harness has asked.
  const bool foreign = record.has_own_examples() && options.data.empty();
  out.run.metrics.heuristics = foreign ? std::vector<Heuristic>() : heuristics_on(examples, out.run.samples, task);
  out.run.metrics = score_samples(out.run.samples, out.run.metrics);
  OrderedJson json = record.ordered();
  json["rescored"] = note(task, options);
  out.run.record = json;
  if (options.dry) return out;
  const auto note_it = [&](const OrderedJson& record) {
    write_file_atomic(folder / "run.json", record.dump(2) + "\n", kRescore);
  };
  OrderedJson begun = json;
  begun["rescored"]["unfinished"] = true;
  note_it(begun);
  store_samples(folder, out.run.samples, kRescore);
  store_metrics(folder, out.run.metrics, kRescore);
  note_it(json);
  return out;
}

}  // namespace tacit
