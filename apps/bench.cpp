#include <stdlib.h>

#include <algorithm>
#include <iostream>
#include <limits>

#include "apps/bench_table.h"
#include "apps/commands.h"
#include "apps/interrupt.h"
#include "apps/options.h"
#include "apps/progress_bar.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "eval/bench/benchmarks.h"
#include "eval/bench/known_configs.h"
#include "eval/bench/random_model.h"
#include "eval/open_model.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"
#include "lib/model/checkpoint.h"
#include "lib/model/int8_model.h"

namespace tacit {
namespace {

constexpr int64_t kMostRows = 4096;  // beyond, memory is what would be measured

// A benchmark's name, the rounds that give a steady median in reasonable time, and the rows of its usual peers.
struct Kind {
  std::string name;
  int64_t rounds, batch;
  std::vector<std::string> sizes;  // options that change its work
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"latent-step", 20, 1, {"weights", "batch", "question", "latents"}},
      {"token-step", 20, 1, {"weights", "batch", "question", "answer"}},
      {"train-step", 3, 4, {"batch", "question", "latents", "rest"}},
      {"eval", 3, 16, {"weights", "batch", "question", "latents", "answer"}},
      {"kernels", 15, 1, {}},
      {"load", 9, 1, {}},
  };
  return all;
}

// The benchmarks that a size changes: "latent-step, eval".
std::string users_of(const std::string& size) {
  std::string users;
  for (const Kind& kind : kinds()) {
    if (std::ranges::find(kind.sizes, size) != kind.sizes.end()) users += (users.empty() ? "" : ", ") + kind.name;
  }
  return users;
}

struct BenchFlags {
  CommonOptions common;
  std::string benchmark, config = "gpt2", match;
  int64_t question = 330, latents = 6, rest = 40, answer = 16, batch = 0, repeats = 0;
  bool turns = false, graphs = false;
};

const Kind& chosen_kind(const Options& options, const BenchFlags& flags) {
  std::vector<std::string> names;
  std::string listed;
  for (const Kind& kind : kinds()) {
    if (kind.name == flags.benchmark) return kind;
    names.push_back(kind.name);
    listed += (listed.empty() ? "" : "|") + kind.name;
  }
  options.reject("expected " + listed + " but got '" + flags.benchmark + "'" + did_you_mean(flags.benchmark, names));
}

void declare(Options& options, BenchFlags& flags) {
  options.positional("BENCHMARK", &flags.benchmark, "latent-step, token-step, train-step, eval, kernels or load");
  options.add("config", "NAME", &flags.config,
              "shape of a model with random weights: gpt2, llama-1b, qwen3-0.6b or a config.json (default gpt2)");
  options.common(flags.common, {"model", "device"});
  options.choice("dtype", {"fp32", "bf16"}, &flags.common.dtype, "of weights, memory and arithmetic (default fp32)");
  options.choice("weights", {"dtype", "int8"}, &flags.common.weights,
                 users_of("weights") + ": the blocks' matrices as --dtype says, or in int8 (default dtype)");
  options.common(flags.common, {"threads", "seed"});
  const auto size = [&](const char* name, const char* value, int64_t* to, const std::string& help, int64_t low,
                        int64_t high) { options.add(name, value, to, users_of(name) + ": " + help, low, high); };
  constexpr int64_t kAny = std::numeric_limits<int64_t>::max();
  size("question", "Q", &flags.question, "tokens of every question (default 330)", 1, kAny);
  size("latents", "K", &flags.latents, "thoughts after it (default 6)", 0, 1 << 20);
  size("rest", "R", &flags.rest, "trained tokens after the thoughts (default 40)", 1, kAny);
  size("answer", "A", &flags.answer, "tokens of an answer (default 16)", 1, kAny);
  size("batch", "B", &flags.batch, "rows computed together (default: 16 in eval, 4 in train-step, else 1)", 1,
       kMostRows);
  options.add("match", "TEXT", &flags.match, "kernels: only those whose name has TEXT in it");
  options.add("repeats", "N", &flags.repeats, "rounds that are counted (default 3 to 20, by benchmark)", 1);
  options.flag("graphs", &flags.graphs,
               "train-step: replay updates on CUDA as `tacit train --graphs` does (not yet run on a GPU)");
  options.flag("turns", &flags.turns,
               "a round for every line on stdin, to take turns with another program; JSON lines");
  options.common(flags.common, {"json"});
}

void check(const Options& options, const Kind& kind, const BenchFlags& flags) {
  if (options.given("model")) options.reject_given({"config"}, "model");
  if (options.given("turns")) options.reject_given({"repeats"}, "turns");
  for (const std::string size : {"weights", "batch", "question", "latents", "rest", "answer"}) {
    if (std::ranges::find(kind.sizes, size) == kind.sizes.end()) options.reject_useless({size}, users_of(size));
  }
  if (kind.name != "kernels") options.reject_useless({"match"}, "kernels");
  if (kind.name != "train-step") options.reject_useless({"graphs"}, "train-step");
  if (flags.graphs && flags.common.device == "cpu") options.reject("expected '--device cuda' beside '--graphs'");
  if (kind.name == "kernels") options.reject_useless({"model", "config", "dtype", "seed"}, "benchmarks of a model");
  if (kind.name == "latent-step" && flags.latents == 0)
    options.reject("expected at least 1 for '--latents' but got '0'");
}

// A folder for a checkpoint, gone with this.
class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "tacit_bench_XXXXXX").string();
    require(::mkdtemp(name.data()) != nullptr, "bench", "expected a writable folder for temporary files at ", name);
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

BenchSetting make_setting(const Options& options, const BenchFlags& flags, const Kind& kind) {
  const LoadOptions load = load_options(flags.common);
  BenchSetting setting{.model = {},
                       .config = flags.config,
                       .shape = {.rows = flags.batch > 0 ? flags.batch : kind.batch,
                                 .question = flags.question,
                                 .latents = flags.latents,
                                 .rest = flags.rest,
                                 .answer = flags.answer},
                       .seed = flags.common.seed,
                       .graphs = flags.graphs};
  if (options.given("model")) {
    setting.config = model_name(flags.common.model);
    setting.model = load_model(flags.common.model, load);
    return setting;
  }
  const std::vector<std::string> known = known_configs();
  const bool named = std::find(known.begin(), known.end(), flags.config) != known.end();
  const bool is_path = !named && std::filesystem::exists(flags.config);
  if (!named && !is_path) {
    std::string listed;
    for (const std::string& name : known) listed += (listed.empty() ? "" : ", ") + name;
    options.reject("expected " + listed + " or the path of a config.json for '--config' but got '" + flags.config +
                   "'" + did_you_mean(flags.config, known));
  }
  const ModelConfig config =
      is_path ? read_model_config(flags.config) : model_config_from_json(known_config(flags.config), flags.config);
  setting.model = random_model(config, load.dtype, load.device, flags.common.seed);
  if (load.weights == WeightFormat::int8) setting.model = int8_model(*setting.model);
  return setting;
}

Benchmark make_benchmark(const Options& options, const BenchFlags& flags, const Kind& kind,
                         const std::filesystem::path& scratch) {
  if (kind.name == "kernels") return kernels_benchmark(use_device(flags.common.device), flags.match);
  if (kind.name == "train-step" || kind.name == "eval") keep_freed_memory();  // as `tacit train` and `eval` do
  const BenchSetting setting = make_setting(options, flags, kind);
  if (kind.name == "latent-step") return latent_step_benchmark(setting);
  if (kind.name == "token-step") return token_step_benchmark(setting);
  if (kind.name == "train-step") return train_step_benchmark(setting);
  if (kind.name == "eval") return answer_benchmark(setting);
  return load_benchmark(setting, scratch);
}

// The other side of scripts/bench-peers: {"ready": true} once warm, the milliseconds of a round for every line on
// stdin, and the result when there are no more.
OrderedJson answer_turns(const Benchmark& benchmark) {
  time_round(benchmark, 0);
  std::cout << R"({"ready": true})" << std::endl;
  Timings timings;
  int64_t round = 0;
  for (std::string line; std::getline(std::cin, line); ++round) {
    const std::map<std::string, double> ms = time_round(benchmark, round);
    for (const auto& [name, value] : ms) timings[name].push_back(value);
    std::cout << OrderedJson{{"ms", ms}}.dump() << std::endl;
  }
  require(round > 0, "bench", "expected a line on stdin for every round but got none");
  return benchmark.result(timings);
}

int run_bench(const std::vector<std::string>& args) {
  BenchFlags flags;
  Options options("bench",
                  "Speed beside what the machine can do. Its read bandwidth and its rate of multiplying matrices are "
                  "measured in turns with the benchmark; the floor is the time that they leave.",
                  "tacit bench load --model models/frontier --threads 2\n"
                  "tacit bench latent-step --model models/frontier --question 30 --repeats 5");
  declare(options, flags);
  if (!options.parse(args)) return kDone;
  const Kind& kind = chosen_kind(options, flags);
  check(options, kind, flags);
  use_threads(flags.common.threads);
  std::optional<Scratch> scratch;
  if (kind.name == "load") scratch.emplace();
  const Benchmark benchmark = make_benchmark(options, flags, kind, scratch ? scratch->path() : std::filesystem::path());
  if (flags.turns) {
    std::cout << dump(answer_turns(benchmark)) << "\n";
    return kDone;
  }
  const int64_t rounds = flags.repeats > 0 ? flags.repeats : kind.rounds;
  const OrderedJson result = benchmark.result(time_in_turns(benchmark, rounds, progress_bar()));
  if (flags.common.json) {
    std::cout << dump(result, 2) << "\n";
  } else {
    for (const std::string& line : bench_table(result, {output_width(), output_has_colour()}))
      std::cout << line << "\n";
  }
  return kDone;
}

}  // namespace

Command bench_command() { return {"bench", "speed against the machine's floor and the plain twins", run_bench}; }

}  // namespace tacit
