#include <unistd.h>

#include <charconv>
#include <cmath>
#include <iostream>

#include "apps/commands.h"
#include "apps/eval_options.h"
#include "apps/known_names.h"
#include "apps/probe_picture.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "eval/probe/compression.h"
#include "eval/probe/counterfactual.h"
#include "eval/probe/dimension.h"
#include "eval/probe/frontier.h"
#include "eval/probe/lens.h"
#include "eval/probe/linear_probe.h"
#include "eval/probe/noise.h"
#include "eval/probe/separability.h"
#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/nearest.h"
#include "lib/model/arithmetic.h"

namespace tacit {
namespace {

using probe::ProbeReport;

// What is asked of the probes beside model and problems.
struct ProbeFlags {
  std::filesystem::path against;
  std::string classes = "answer", sizes;
  probe::LensOptions lens;
  probe::LinearProbeOptions linear;
  probe::CompressionOptions compression;
};

struct Setting {
  const LoadedModel& model;
  const RunOptions& run;
  const ProbeFlags& flags;
  const EvalFlags& eval;
  const Options& options;
};

ProbeReport dimension_report(const Setting& s) {
  if (s.flags.against.empty()) return probe::probe_dimension(s.model, s.run);
  const LoadedModel other = open_model(s.flags.against, load_options(s.eval.common));
  RunOptions run = s.eval.run_options(s.options, other.settings);
  // The same problems: also where the first one's graphs were found in its recipe. Labels and style are each one's own,
  // as it was trained; where they differ, so do the questions, and the probe says so.
  run.task_options.reach.graph = s.run.task_options.reach.graph;
  run.latents = -1;
  run.seed = s.run.seed;
  return probe::probe_dimension(s.model, s.run, &other, &run);
}

std::vector<double> parse_sizes(const std::string& text) {
  std::vector<double> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    double value = -1;
    const auto [stop, error] = std::from_chars(text.data() + begin, text.data() + end, value);
    if (error != std::errc() || stop != text.data() + end || !std::isfinite(value) || value < 0)
      throw UsageError("expected '--sizes' as numbers of at least 0 separated by commas but got '" + text + "'");
    out.push_back(value);
    begin = end + 1;
  }
  return out;
}

ProbeReport noise_report(const Setting& s) {
  probe::NoiseOptions options;
  if (!s.flags.sizes.empty()) options.sizes = parse_sizes(s.flags.sizes);
  return probe::probe_noise(s.model, s.run, options);
}

struct Probe {
  const char* name;
  const char* summary;
  std::vector<std::string> options;  // that it alone reads
  std::function<ProbeReport(const Setting&)> report;
};

const std::vector<Probe>& probes() {
  static const std::vector<Probe> all = {
      {"lens",
       "what the vocabulary says of each thought, nearest tokens, distance to the embeddings' hull",
       {"hull-problems"},
       [](const Setting& s) { return probe::probe_lens(s.model, s.run, s.flags.lens); }},
      {"frontier",
       "whether thought k holds the search frontier (superposition)",
       {},
       [](const Setting& s) { return probe::probe_frontier(s.model, s.run); }},
      {"separability",
       "classes by layer: Tr(S_W S_B^+), NC1",
       {"classes"},
       [](const Setting& s) {
         return probe::probe_separability(s.model, s.run, {.next_node = s.flags.classes == "next-node"});
       }},
      {"compression",
       "token embeddings against human categories: L = I + beta D, AMI, typicality",
       {"items", "subset", "beta"},
       [](const Setting& s) { return probe::probe_compression(s.model, s.flags.compression); }},
      {"counterfactual",
       "one edge changed, or thoughts swapped: what the answer follows",
       {},
       [](const Setting& s) { return probe::probe_counterfactual(s.model, s.run); }},
      {"noise", "accuracy against noise on the thoughts", {"sizes"}, noise_report},
      {"dimension", "effective dimension of thoughts against their width", {"against"}, dimension_report},
      {"goal",
       "linear probe of target, root, distance and next node from each thought",
       {"ridge", "test-share"},
       [](const Setting& s) { return probe::probe_goal(s.model, s.run, s.flags.linear); }},
  };
  return all;
}

const Probe& probe_called(const Options& options, const std::string& name) {
  std::vector<std::string> names;
  std::string known;
  for (const Probe& one : probes()) {
    if (one.name == name) return one;
    names.push_back(one.name);
    known += (known.empty() ? "" : ", ") + names.back();
  }
  options.reject("expected one of " + known + " but got '" + name + "'" + did_you_mean(name, names));
}

void check_probe_options(const Options& options, const Probe& chosen) {
  for (const Probe& one : probes()) {
    if (&one == &chosen) continue;
    for (const std::string& name : one.options) options.reject_useless({name}, "the probe " + std::string(one.name));
  }
  if (std::string(chosen.name) != "compression") return;
  options.require_option("items");
  // It looks at embeddings alone: nothing is asked, and nothing drawn but by fixed seeds.
  options.reject_useless({"method",    "option",     "latents",        "recurrences", "task",
                          "data",      "count",      "limit",          "seed",        "batch",
                          "shots",     "shots-data", "prompt",         "chat",        "max-answer-tokens",
                          "style",     "labels",     "kind",           "min-nodes",   "max-nodes",
                          "min-depth", "max-depth",  "edges-per-node", "acyclic",     "balance-in-degree",
                          "generator", "weights"},
                         "probes that ask problems");
}

// Before the work: whether what it finds can be written.
void require_writable(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  require(std::filesystem::is_directory(folder) && ::access(folder.c_str(), W_OK) == 0, "probe",
          "expected '--out' to be a folder that can be written but got ", folder.string(),
          error ? ": " + error.message() : "");
}

// A command but for what does not change what it finds.
std::vector<std::string> essence(const OrderedJson& command) {
  std::vector<std::string> out;
  bool skips = false;  // the value of the option before
  for (const OrderedJson& word : command) {
    const std::string text = word.is_string() ? word.get<std::string>() : word.dump();
    const bool valued = text == "--out" || text == "--threads";
    if (!skips && !valued && text != "--json" && !text.starts_with("--out=") && !text.starts_with("--threads="))
      out.push_back(text);
    skips = valued;
  }
  return out;
}

// What the same command wrote may be written again, of the same weights; nothing else is written over. -> what is
// there, {} where nothing is
OrderedJson require_own(const std::filesystem::path& file, const OrderedJson& command) {
  if (!exists(file)) return OrderedJson::object();
  const OrderedJson earlier = read_json(file, "probe");
  const OrderedJson by = earlier.is_object() ? earlier.value("command", OrderedJson()) : OrderedJson();
  require(essence(by) == essence(command), "probe", "expected a new folder, or what this very command wrote, but got ",
          file.string(), " of the command ", by.dump(), "; choose another folder");
  return earlier.is_object() ? earlier : OrderedJson::object();
}

void require_same_weights(const OrderedJson& earlier, const OrderedJson& hashes, const std::filesystem::path& file) {
  for (const auto& [name, hash] : hashes.items()) {
    if (!earlier.contains(name)) continue;
    require(earlier.at(name) == hash, "probe",
            "expected a new folder, or what this very command wrote of the same model, but got ", file.string(),
            " of '", name, "' ", earlier.at(name).dump(), " where it is ", hash.dump(), " now; choose another folder");
  }
}

// Of all weights that are looked into, as far as they are there.
OrderedJson weight_hashes(const std::filesystem::path& model, const std::filesystem::path& against) {
  OrderedJson out = {{"weights_sha256", hash_weights(model)}};
  if (is_directory(against)) out["against_weights_sha256"] = hash_weights(against);
  return out;
}

void write_files(const std::filesystem::path& folder, const ProbeReport& report) {
  write_file_atomic(folder / (report.name + ".json"), dump(report.json, 2) + "\n", "probe");
  for (const probe::Chart& chart : report.charts)
    write_file_atomic(folder / (report.name + "-" + chart.name + ".svg"), probe::svg(chart), "probe");
}

std::string description() {
  std::string out = "Looks inside the thoughts of a model, its controls beside it. Probes:\n";
  for (const Probe& one : probes()) {
    const std::string name = one.name;
    out += "  " + name + std::string(16 - name.size(), ' ') + one.summary + "\n";
  }
  return out + "docs/probes.md says what each measures.";
}

int run_probe(const std::vector<std::string>& args) {
  EvalFlags flags;
  ProbeFlags own;
  std::string name;
  std::filesystem::path out;
  Options options("probe", description(),
                  "tacit probe frontier --model models/frontier --count 50\n"
                  "tacit probe noise --model models/frontier --count 50 --out probes/noise");
  options.positional("NAME", &name, "which probe");
  options.common(flags.common, {"model", "method", "option", "latents", "recurrences"});
  options.add("task", "NAME", &flags.task,
              "what to solve: 'tacit data list', or a task file, NAME.json (default: the checkpoint's own)");
  options.add("data", "FILE", &flags.data, "file of the benchmark; problems are generated without it");
  options.add("count", "N", &flags.count, "problems to generate (default 300)", 1);
  options.add("limit", "N", &flags.limit, "only the first N problems (default 0 = all)", 0);
  options.add("out", "DIR", &out, "folder for NAME.json and an SVG of every chart");
  options.add("hull-problems", "N", &own.lens.hull_problems,
              "lens: problems whose hull distance is taken (default 50; 0 = none)", 0);
  options.choice("classes", {"answer", "next-node"}, &own.classes,
                 "separability: what tells classes apart: answer (default) or next-node");
  options.add("items", "FILE", &own.compression.items, "compression: CSV of items and their human categories");
  options.add("subset", "NAME", &own.compression.subset, "compression: rows of this 'subdataset' only");
  options.add("beta", "X", &own.compression.beta, "compression: what a unit of distortion counts (default 1)", 0);
  options.add("sizes", "X,..", &own.sizes, "noise: sizes relative to a thought (default 0,.25,.5,1,2,4,8)");
  options.add("against", "DIR", &own.against,
              "dimension: another checkpoint beside it, of written chains for instance");
  options.add("ridge", "X", &own.linear.ridge, "goal: strength of the penalty (default 0.1)", 1e-9);
  options.add("test-share", "X", &own.linear.test_share, "goal: share of held-out problems (default 0.3)", 0.01);
  options.common(flags.common, {"device", "dtype", "weights", "seed", "batch", "threads", "json", "config"});
  flags.prompt.add(options);
  flags.reach.add_text(options);
  flags.reach.add_generator(options);
  if (!options.parse(args)) return kDone;
  options.require_option("model");
  const Probe& chosen = probe_called(options, name);
  check_probe_options(options, chosen);
  if (!(own.linear.test_share < 1)) {
    options.reject("expected '--test-share' below 1, for what is not tested is trained on, but got " +
                   std::to_string(own.linear.test_share));
  }
  if (!own.sizes.empty()) parse_sizes(own.sizes);
  const CommonOptions& common = flags.common;
  const LoadOptions load = load_options(common);
  check_method(options, common.method);
  flags.check(options);
  use_threads(common.threads);
  const OrderedJson command = command_line("probe", args);
  if (!out.empty()) require_writable(out);
  const std::filesystem::path file = out / (name + ".json");
  const OrderedJson earlier = out.empty() ? OrderedJson::object() : require_own(file, command);

  const LoadedModel model = open_model(common.model, load);
  const OrderedJson hashes = weight_hashes(common.model, own.against);
  require_same_weights(earlier, hashes, file);
  RunOptions run;
  std::string graphs;
  if (std::string(chosen.name) != "compression") {
    check_model_options(options, common, model);
    run = flags.run_options(options, model.settings);
    check_problem_options(options, model, run.task_options, run.task);
    graphs = use_trained_graphs(options, model, run.task, run.task_options);
  }
  run.method = common.method;
  run.options = parse_method_options(common.method_options);
  run.seed = common.seed;
  own.linear.seed = common.seed;
  ProbeReport report = chosen.report({model, run, own, flags, options});
  OrderedJson json = {{"command", command}, {"model", valid_utf8(model_name(common.model))}};
  json.update(hashes);
  json.update(arithmetic_json(*model.model));
  json.update(report.json);
  if (!graphs.empty()) report.notes.push_back(graphs);
  json["notes"] = report.notes;
  report.json = std::move(json);
  if (!out.empty()) write_files(out, report);
  if (common.json) {
    std::cout << dump(report.json, 2) << "\n";
  } else {
    for (const std::string& line : probe_picture(report, {.width = output_width(), .colour = output_has_colour()}))
      std::cout << line << "\n";
  }
  return kDone;
}

}  // namespace

Command probe_command() {
  return {"probe", "look inside thoughts: readouts, frontiers, dimension, counterfactuals, ..", run_probe};
}

}  // namespace tacit
