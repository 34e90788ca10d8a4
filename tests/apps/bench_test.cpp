#include <doctest/doctest.h>

#include <fstream>

#include "apps/bench_table.h"
#include "tests/apps/checkpoint.h"

using namespace tacit;
using namespace tacit::test;

namespace {

// What every benchmark of a model is run on here: small enough that the machine's own rates take most of the time.
std::string tiny_config_file(const ScratchFolder& scratch) {
  put(scratch / "tiny.json", tiny_config().dump());
  return scratch / "tiny.json";
}

Json bench(std::vector<std::string> args, const std::string& input = "") {
  args.insert(args.begin(), "bench");
  args.push_back("--threads");
  args.push_back("1");
  const Finished result = run_tacit(args, {.input = input});
  CAPTURE(result.err);
  REQUIRE(result.code == 0);
  return Json::parse(result.out.substr(result.out.rfind("\n{", result.out.size() - 2) + 1));
}

Json bench_json(const std::string& name, const std::string& config, std::vector<std::string> more = {}) {
  std::vector<std::string> args = {name, "--config", config, "--repeats", "2", "--json"};
  args.insert(args.end(), more.begin(), more.end());
  const Json json = bench(args);
  CHECK(json.at("benchmark") == name);
  CHECK(json.at("threads") == 1);
  CHECK(json.at("rounds") == 2);
  CHECK(json.at("ms_median").get<double>() > 0);
  CHECK(json.at("ms_p95").get<double>() >= json.at("ms_median").get<double>());
  return json;
}

double number(const Json& json, const char* name) { return json.at(name).get<double>(); }

void check_rates(const Json& json, double ms) {
  CHECK(number(json, "bytes") > 0);
  CHECK(number(json, "bandwidth_gb_per_s") > 0);
  CHECK(number(json, "gb_per_s") == doctest::Approx(number(json, "bytes") / ms / 1e6));
  CHECK(number(json, "share_of_bandwidth") ==
        doctest::Approx(number(json, "gb_per_s") / number(json, "bandwidth_gb_per_s")));
  CHECK(number(json, "gflop_per_s") == doctest::Approx(number(json, "flops") / ms / 1e6));
  CHECK(number(json, "share_of_flop_rate") ==
        doctest::Approx(number(json, "gflop_per_s") / number(json, "machine_gflop_per_s")));
  CHECK(number(json, "share_of_floor") == doctest::Approx(number(json, "floor_ms") / ms));
}

void check_rates(const Json& json) { check_rates(json, number(json, "ms_median")); }

// tests/support/tiny_model.h: weights that a thought reads, and values a position.
constexpr double kBlocks = 2 * (4 * 32 * 32 + 3 * 32 * 64 + 2 * 32 + 2) + 32, kValues = 2 * 2 * 32;

}  // namespace

TEST_CASE("bench latent-step --json: bytes of a thought, shares of what was measured, the cost of a trace") {
  const ScratchFolder scratch;
  const Json json = bench_json("latent-step", tiny_config_file(scratch),
                               {"--dtype", "bf16", "--question", "9", "--latents", "3", "--batch", "2"});
  check_rates(json);
  // Contexts 11 to 13: the question, a step that warms up, the step itself.
  CHECK(number(json, "bytes") == 2 * (kBlocks + 2 * kValues * 12));
  CHECK(json.at("dtype") == "bf16");
  CHECK(json.at("batch") == 2);
  CHECK(json.at("steps") == 3);
  CHECK(number(json, "steps_per_s") == doctest::Approx(2e3 / number(json, "ms_median")));
  CHECK(number(json, "trace_overhead") > -1);
  CHECK(json.at("hidden").size() == 8);
}

TEST_CASE("bench latent-step --weights int8: a byte for each number of a block's matrices") {
  const ScratchFolder scratch;
  const Json json = bench_json("latent-step", tiny_config_file(scratch),
                               {"--dtype", "bf16", "--weights", "int8", "--question", "9", "--latents", "3"});
  check_rates(json);
  constexpr double kMatrices = 2 * (4 * 32 * 32 + 3 * 32 * 64);
  CHECK(number(json, "bytes") == 2 * (kBlocks + kValues * 12) - kMatrices);
  CHECK(json.at("weights") == "int8");
}

TEST_CASE("bench --weights int8 refuses a model with a layer that slides, whose steps read no int8") {
  const ScratchFolder scratch;
  std::ofstream(scratch / "sliding.json")
      << R"({"model_type": "qwen2", "vocab_size": 40, "hidden_size": 32, "intermediate_size": 64,
             "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
             "max_position_embeddings": 64, "tie_word_embeddings": true, "rope_theta": 10000.0,
             "use_sliding_window": true, "sliding_window": 4, "max_window_layers": 0})";
  const Finished slides = run_tacit({"bench", "latent-step", "--config", scratch / "sliding.json", "--weights", "int8",
                                     "--question", "9", "--latents", "3"});
  CHECK(slides.code == 1);
  CHECK(holds(slides.err, "expected layers that see all 13 positions, as steps that read int8 do, but layer 0 sees 4"));
  const Json within =
      bench_json("latent-step", scratch / "sliding.json", {"--weights", "int8", "--question", "1", "--latents", "2"});
  CHECK(within.at("weights") == "int8");
}

TEST_CASE("bench token-step --json: a thought and the vocabulary") {
  const ScratchFolder scratch;
  const Json json = bench_json("token-step", tiny_config_file(scratch), {"--question", "9", "--answer", "3"});
  check_rates(json);
  CHECK(number(json, "bytes") == 4 * (kBlocks + kValues * 12 + 20 * 32 + 32));
}

TEST_CASE("bench train-step --json: examples a second, and losses that the seed decides") {
  const ScratchFolder scratch;
  const std::vector<std::string> sizes = {"--question", "9", "--latents", "2", "--rest", "4", "--batch", "3"};
  const Json json = bench_json("train-step", tiny_config_file(scratch), sizes);
  check_rates(json);
  CHECK(number(json, "examples_per_s") == doctest::Approx(3e3 / number(json, "ms_median")));
  CHECK(json.at("losses").size() == 2);
  CHECK(json.at("losses") == bench_json("train-step", tiny_config_file(scratch), sizes).at("losses"));
  if (!json.at("peak_memory_bytes").is_null()) {
    CHECK(number(json, "peak_memory_bytes") > 0);
    CHECK(number(json, "memory_before_bytes") > 0);
  }
}

TEST_CASE("bench eval --json: problems a second and the time of each phase") {
  const ScratchFolder scratch;
  const Json json = bench_json("eval", tiny_config_file(scratch),
                               {"--question", "9", "--latents", "2", "--answer", "4", "--batch", "3"});
  check_rates(json);
  CHECK(number(json, "problems_per_s") == doctest::Approx(3e3 / number(json, "ms_median")));
  for (const char* phase : {"ms_prefill", "ms_think", "ms_answer"}) CHECK(number(json, phase) > 0);
  CHECK(json.at("answers").size() == 3);
  for (const Json& answer : json.at("answers")) CHECK(answer.size() == 4);
}

TEST_CASE("bench load --json: against the time to read the file") {
  const ScratchFolder scratch;
  write_plain_checkpoint(scratch / "plain");
  const Json json = bench({"load", "--model", scratch / "plain", "--repeats", "2", "--json"});
  CHECK(json.at("config") == "plain");
  CHECK(number(json, "bytes") == static_cast<double>(file_size(scratch / "plain" / "model.safetensors")));
  CHECK(number(json, "gb_per_s") == doctest::Approx(number(json, "bytes") / number(json, "ms_median") / 1e6));
  CHECK(number(json, "share_of_bandwidth") ==
        doctest::Approx(number(json, "gb_per_s") / number(json, "bandwidth_gb_per_s")));
  for (const char* key : {"ms_p95", "read_ms_median", "ratio_to_read", "touched_ms_median", "touched_ratio_to_read"}) {
    CHECK(number(json, key) > 0);
  }
}

TEST_CASE("bench kernels --json: every case's rates follow from its time") {
  const Json json = bench({"kernels", "--match", "rms_norm bf16", "--repeats", "2", "--json"});
  REQUIRE(json.at("kernels").size() >= 2);
  for (const Json& kernel : json.at("kernels")) {
    CAPTURE(kernel.at("name").get<std::string>());
    CHECK(holds(kernel.at("name").get<std::string>(), "rms_norm bf16"));
    check_rates(kernel);
    CHECK(kernel.at("bandwidth_gb_per_s") == json.at("bandwidth_gb_per_s"));
    const bool slower_to_read = number(kernel, "share_of_bandwidth") >= number(kernel, "share_of_flop_rate");
    CHECK(kernel.at("bound") == (slower_to_read ? "bytes" : "flops"));
    for (const char* key :
         {"ms_warm_median", "twin_ms_median", "twin_ratio", "twin_ms_warm_median", "twin_warm_ratio"}) {
      CHECK(number(kernel, key) > 0);
    }
  }
}

TEST_CASE("bench: the table says what the JSON says, and a checkpoint takes the place of a config") {
  const ScratchFolder scratch;
  write_plain_checkpoint(scratch / "plain");
  const Finished table = run_tacit(
      {"bench", "latent-step", "--model", scratch / "plain", "--question", "9", "--repeats", "2", "--threads", "1"});
  CAPTURE(table.err);
  REQUIRE(table.code == 0);
  for (const char* word : {"latent-step, plain fp32", "read, ", "GB/s", "GFLOP/s", "recording thoughts", "2 rounds"}) {
    CHECK(holds(table.out, word));
  }
}

TEST_CASE("bench: memory sets a floor only where the weights came from memory") {
  const ScratchFolder scratch;
  write_plain_checkpoint(scratch / "plain");
  Json json = bench({"latent-step", "--model", scratch / "plain", "--question", "9", "--repeats", "2", "--json"});
  const auto table = [&](double share) {
    json["share_of_bandwidth"] = json["share_of_floor"] = share;
    std::string out;
    for (const std::string& line : bench_table(OrderedJson::parse(json.dump()), {.width = 120})) out += line + "\n";
    return out;
  };
  const std::string memory = table(.8), cache = table(23.8);
  CHECK(holds(memory, "floor"));
  CHECK(holds(memory, "80.0 %"));
  CHECK_FALSE(holds(cache, "floor"));
  CHECK_FALSE(holds(cache, "2380"));
  CHECK(holds(cache, "from a cache: memory gives"));
}

TEST_CASE("bench --turns: ready, a line for a line, then the result") {
  const ScratchFolder scratch;
  const Finished result = run_tacit(
      {"bench", "token-step", "--config", tiny_config_file(scratch), "--question", "9", "--threads", "1", "--turns"},
      {.input = "\n\n\n"});
  CAPTURE(result.err);
  REQUIRE(result.code == 0);
  std::istringstream lines(result.out);
  std::vector<Json> said;
  for (std::string line; std::getline(lines, line);) said.push_back(Json::parse(line));
  REQUIRE(said.size() == 5);
  CHECK(said[0] == Json{{"ready", true}});
  for (int i = 1; i <= 3; ++i) CHECK(said[i].at("ms").at("ours").get<double>() > 0);
  CHECK(said[4].at("rounds") == 3);
  const Finished nothing = run_tacit(
      {"bench", "token-step", "--config", tiny_config_file(scratch), "--question", "9", "--threads", "1", "--turns"});
  CHECK(nothing.code == 1);
  CHECK(holds(nothing.err, "expected a line on stdin for every round"));
}

TEST_CASE("bench --help says which benchmarks a size changes") {
  const std::string help = run_tacit({"bench", "--help"}).out;
  for (const char* text : {"train-step: trained tokens after the thoughts", "token-step, eval: tokens of an answer"})
    CHECK(holds(help, text));
}

TEST_CASE("bench refuses what it cannot measure, saying what it expected") {
  const ScratchFolder scratch;
  const std::string tiny = tiny_config_file(scratch);
  put(scratch / "broken.json", "{");
  const struct {
    std::vector<std::string> args;
    std::string message;
    int code;
  } table[] = {
      {{}, "expected BENCHMARK", 2},
      {{"latent-stepp"},
       "expected latent-step|token-step|train-step|eval|kernels|load but got 'latent-stepp', did you mean "
       "'latent-step'?",
       2},
      {{"latent-step", "--cofnig", "gpt2"}, "unknown option '--cofnig', did you mean '--config'?", 2},
      {{"latent-step", "--config", "gtp2"},
       "or the path of a config.json for '--config' but got 'gtp2', did you mean 'gpt2'?",
       2},
      {{"latent-step", "--config", scratch / "broken.json"}, "broken.json", 1},
      {{"latent-step", "--config", tiny, "--model", "x"}, "no '--config' beside '--model'", 2},
      {{"latent-step", "--batch", "0"}, "expected at least 1 for '--batch' but got '0'", 2},
      {{"latent-step", "--batch", "999999999"}, "expected at most 4096 for '--batch' but got '999999999'", 2},
      {{"latent-step", "--question", "0"}, "expected at least 1 for '--question'", 2},
      {{"latent-step", "--latents", "0"}, "expected at least 1 for '--latents'", 2},
      {{"latent-step", "--repeats", "0"}, "expected at least 1 for '--repeats'", 2},
      {{"latent-step", "--dtype", "fp16"}, "expected fp32|bf16 for '--dtype' but got 'fp16'", 2},
      {{"latent-step", "--device", "gpu"}, "expected cpu, cuda or cuda:N for '--device'", 2},
      {{"latent-step", "--rest", "3"}, "'--rest' only with train-step", 2},
      {{"latent-step", "--weights", "int4"}, "expected dtype|int8 for '--weights' but got 'int4'", 2},
      {{"train-step", "--weights", "int8"}, "'--weights' only with latent-step, token-step, eval", 2},
      {{"train-step", "--answer", "3"}, "'--answer' only with token-step, eval", 2},
      {{"load", "--batch", "3"}, "'--batch' only with latent-step, token-step, train-step, eval", 2},
      {{"train-step", "--config", tiny, "--graphs"}, "expected '--device cuda' beside '--graphs'", 2},
      {{"eval", "--config", tiny, "--graphs"}, "'--graphs' only with train-step", 2},
      {{"kernels", "--config", "gpt2"}, "'--config' only with benchmarks of a model", 2},
      {{"eval", "--match", "x"}, "'--match' only with kernels", 2},
      {{"kernels", "--match", "no such kernel"}, "expected a part of a kernel's name but got 'no such kernel'", 1},
      {{"latent-step", "--turns", "--repeats", "3"}, "no '--repeats' beside '--turns'", 2},
      {{"latent-step", "--config", tiny, "--question", "250"},
       "expected at most 256 positions (the model's) but got 257, 250 of them for the question",
       1},
      {{"eval", "--config", tiny, "--question", "250"}, "expected at most 256 positions (the model's) but got 272", 1},
      {{"train-step", "--config", tiny, "--question", "250"},
       "expected at most 256 positions (the model's) but got 296",
       1},
  };
  for (const auto& row : table) {
    std::vector<std::string> args = {"bench"};
    args.insert(args.end(), row.args.begin(), row.args.end());
    const Finished result = run_tacit(args);
    CAPTURE(row.message);
    CAPTURE(result.err);
    CHECK(result.code == row.code);
    CHECK(holds(result.err, row.message));
    CHECK(result.out.empty());
  }
}
