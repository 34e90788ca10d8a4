#include <ATen/Parallel.h>
#include <torch/version.h>

#include <fstream>

#include "datasets/generated_task.h"
#include "eval/run_folder.h"
#include "latent/method.h"
#include "lib/core/version.h"
#include "lib/model/arithmetic.h"

namespace tacit {
namespace {

OrderedJson generator_json(const GraphOptions& g, int64_t count) {
  return {{"kind", g.kind == GraphKind::prosqa ? "prosqa" : "random"},
          {"min_nodes", g.min_nodes},
          {"max_nodes", g.max_nodes},
          {"edges_per_node", g.edges_per_node},
          {"min_depth", g.min_depth},
          {"max_depth", g.max_depth},
          {"acyclic", g.acyclic},
          {"balance_in_degree", g.balance_in_degree},
          {"count", count}};
}

// As Linux names it; null elsewhere.
OrderedJson cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != line.npos) return valid_utf8(line.substr(colon + 2));
  }
  return nullptr;
}

// Null where there is no such file.
OrderedJson hash_of(const std::filesystem::path& file) {
  if (!exists(file)) return nullptr;
  return sha256_hex(MappedFile::open(file, "evaluate")->bytes());
}

OrderedJson tokenizer_hash(const std::filesystem::path& checkpoint) {
  for (const char* name : {"tokenizer.json", "tokenizer.model", "vocab.json"}) {  // as load_tokenizer() looks for them
    if (exists(checkpoint / name)) return hash_of(checkpoint / name);
  }
  return nullptr;
}

}  // namespace

OrderedJson to_json(const RunRecord& record) {
  const LoadedModel& model = record.model;
  const RunOptions& options = record.options;
  const TaskOptions& task = options.task_options;
  const Task& definition = tacit::task(options.task.empty() ? record.task : options.task);
  const std::filesystem::path data = data_of(definition, task);
  OrderedJson json = {
      {"command", options.command},
      {"model", valid_utf8(model_name(model.directory))},
      {"model_path", valid_utf8(model.directory.string())},
      {"weights_sha256", model.weights_sha256.empty() ? hash_weights(model.directory) : model.weights_sha256},
      {"method_weights_sha256", hash_of(model.directory / "method.safetensors")},
      {"config_sha256", hash_of(model.directory / "config.json")},
      {"tokenizer_sha256", tokenizer_hash(model.directory)},
      {"settings", to_json(model.settings)},
      {"method", record.method},
      {"method_options", record.method_options},
      {"latents", record.latents},
      {"max_steps", record.max_steps},
      {"max_answer_tokens", record.max_answer_tokens},
      {"task", record.task}};
  if (!record.writes) json["writes"] = false;
  if (!record.end_tokens.empty()) json["end_tokens"] = record.end_tokens;
  const std::string& revision = method(record.method).revision;
  if (!revision.empty()) json["method_revision"] = revision;
  if (!definition.file_sha256.empty()) {
    json["task_path"] = valid_utf8(options.task);
    json["task_sha256"] = definition.file_sha256;
  }
  if (!record.prompt.is_null()) json["prompt"] = record.prompt;
  if (!options.scorers.empty()) json["scorers"] = options.scorers;
  if (options.halt) json["halt"] = to_text(*options.halt);
  if (options.intervention) {
    json["intervention"] = to_text(*options.intervention);
    json["intervention_seed"] = options.intervention->seed;
  }
  const bool greedy = options.strategy.kind == StrategyKind::greedy;
  if (!greedy) json["decode"] = to_text(options.strategy);
  if (!greedy || options.seed != 0) json["sample_seed"] = options.seed;
  const DepthConfig& depth = model.model->config().depth;
  const int64_t recurrences = options.recurrences > 0 ? options.recurrences : depth.recurrences;
  json["recurrences"] = depth.recurrent ? OrderedJson(recurrences) : OrderedJson();
  if (data.empty() && record.task != "reach") {
    json["generator"] = open_generator(record.task, task.generator).options;
    json["generator"]["count"] = task.count;
  } else if (data.empty()) {
    json["generator"] = generator_json(task.reach.graph, task.count);
  } else {
    json["data"] = valid_utf8(data.filename().string());
    json["data_path"] = valid_utf8(data.string());
    json["data_sha256"] = sha256_hex(MappedFile::open(data, "evaluate")->bytes());
  }
  // What does nothing is null: a file's text stands as it is, and so do ProsQA's own sentences.
  const bool told = (data.empty() && record.task == "reach") || record.renders_data;
  const bool symbols = task.reach.style == ReachStyle::symbols;
  json["style"] = told ? OrderedJson(symbols ? "symbols" : "english") : OrderedJson();
  json["labels"] = told && symbols ? OrderedJson(task.reach.labels) : OrderedJson();
  json["seed"] = data.empty() || (told && symbols) ? OrderedJson(task.seed) : OrderedJson();
  if (options.repeats != 1) json["repeats"] = options.repeats;
  json["limit"] = options.limit;
  if (options.limit > 0 && options.limit < record.all_problems) json["limit_of"] = record.all_problems;
  if (options.limit_seed) json["limit_seed"] = *options.limit_seed;
  if (record.too_long) json["too_long"] = "wrong";
  json.update(arithmetic_json(*model.model));
  json["device"] = at::DeviceTypeName(model.model->device().type(), /*lower_case=*/true);
  json["cpu"] = cpu_name();
  json["batch"] = options.batch;
  json["shuffle"] = options.shuffle ? OrderedJson(*options.shuffle) : OrderedJson();
  json["latency_problems"] = options.latency_problems;
  json["threads"] = at::get_num_threads();
  json["versions"] = {{"tacit", version}, {"torch", TORCH_VERSION}};
  return json;
}

}  // namespace tacit
