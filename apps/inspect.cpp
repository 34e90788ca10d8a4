#include <algorithm>
#include <cstdio>
#include <iostream>

#include "apps/commands.h"
#include "apps/options.h"
#include "apps/render.h"
#include "apps/runtime.h"
#include "lib/core/error.h"
#include "lib/model/accounting.h"

namespace tacit {
namespace {

constexpr int64_t kFp32Bytes = 4, kBf16Bytes = 2;

OrderedJson bytes_json(int64_t values) { return {{"fp32", kFp32Bytes * values}, {"bf16", kBf16Bytes * values}}; }

double floor_ms(const StepCost& cost, int64_t bytes, double gb_per_s) {
  return static_cast<double>(bytes * (cost.weights_read + cost.memory_read)) / (gb_per_s * 1e9) * 1e3;
}

OrderedJson floor_json(const StepCost& cost, double gb_per_s) {
  return {{"fp32", floor_ms(cost, kFp32Bytes, gb_per_s)}, {"bf16", floor_ms(cost, kBf16Bytes, gb_per_s)}};
}

struct Inspection {
  std::filesystem::path file;
  ModelConfig config;
  Account account;
  StepCost thought, token;
  int64_t context = 1, prompt_flops = 0;
  std::optional<double> bandwidth;  // GB/s
};

void print_json(const Inspection& in) {
  OrderedJson components = OrderedJson::object();
  for (const auto& [name, count] : in.account.by_component) components[name] = count;
  OrderedJson out = {
      {"file", in.file.string()},
      {"family", in.config.family},
      {"parameters",
       {{"total", in.account.parameters},
        {"active_per_token", in.account.active_per_token},
        {"routed_experts", in.account.routed_experts},
        {"routed_experts_share", in.account.routed_experts_share()},
        {"by_component", components},
        {"by_layer", in.account.by_layer}}},
      {"bytes", bytes_json(in.account.parameters)},
      {"memory_per_token",
       {{"values", in.account.memory_values_per_token}, {"bytes", bytes_json(in.account.memory_values_per_token)}}},
      {"context", in.context},
      {"flops",
       {{"prompt_token", in.prompt_flops}, {"generated_token", in.token.flops}, {"thought", in.thought.flops}}},
      {"bytes_read",
       {{"generated_token", bytes_json(in.token.weights_read + in.token.memory_read)},
        {"thought", bytes_json(in.thought.weights_read + in.thought.memory_read)}}}};
  if (in.bandwidth) {
    out["bandwidth_gb_per_s"] = *in.bandwidth;
    out["time_floor_ms"] = {{"generated_token", floor_json(in.token, *in.bandwidth)},
                            {"thought", floor_json(in.thought, *in.bandwidth)}};
  }
  std::cout << dump(out, 2) << "\n";
}

std::string grouped(int64_t value) {
  std::string text = std::to_string(value);
  for (int64_t i = static_cast<int64_t>(text.size()) - 3; i > 0; i -= 3) text.insert(i, ",");
  return text;
}

std::string scaled(double value, const char* unit) {
  const char* prefixes[] = {"", "k", "M", "G", "T", "P"};
  int step = 0;
  for (; value >= 1000 && step < 5; ++step) value /= 1000;
  char text[48];
  std::snprintf(text, sizeof text, "%.*f %s%s", step == 0 ? 0 : 2, value, prefixes[step], unit);
  return text;
}

void print_table(const Inspection& in) {
  const ModelConfig& c = in.config;
  std::printf(
      "%s: %s, %lld layers of width %lld, %lld heads (%lld key/value) of %lld, MLP %lld, vocabulary %lld%s\n\n",
      in.file.c_str(), c.family.c_str(), static_cast<long long>(c.layers), static_cast<long long>(c.hidden_size),
      static_cast<long long>(c.heads), static_cast<long long>(c.kv_heads), static_cast<long long>(c.head_size),
      static_cast<long long>(c.mlp_size), static_cast<long long>(c.vocab_size), c.tied_embeddings ? " (tied)" : "");
  std::printf("parameters %21s\n", grouped(in.account.parameters).c_str());
  for (const auto& [name, count] : in.account.by_component) {
    const double share = static_cast<double>(count) / static_cast<double>(in.account.parameters);
    std::printf("  %-12s %17s  %5.1f %%  %s\n", name.c_str(), grouped(count).c_str(), 100 * share,
                bar(share, 32).c_str());
  }
  const auto [least, most] = std::minmax_element(in.account.by_layer.begin(), in.account.by_layer.end());
  std::printf("  %-12s %17s%s\n", "a layer", grouped(*most).c_str(),
              *least == *most ? "" : (" (the smallest " + grouped(*least) + ")").c_str());
  auto both = [](int64_t values) {
    return scaled(static_cast<double>(kFp32Bytes * values), "B") + " fp32, " +
           scaled(static_cast<double>(kBf16Bytes * values), "B") + " bf16";
  };
  std::printf("\nweights          %s\n", both(in.account.parameters).c_str());
  std::printf("memory a token   %s (%s values)\n\n", both(in.account.memory_values_per_token).c_str(),
              grouped(in.account.memory_values_per_token).c_str());
  std::printf("with %lld tokens of context:\n", static_cast<long long>(in.context));
  std::printf("  a prompt token     %s\n", scaled(static_cast<double>(in.prompt_flops), "FLOP").c_str());
  auto step = [&](const char* name, const StepCost& cost) {
    std::printf("  %-18s %s, reads %s", name, scaled(static_cast<double>(cost.flops), "FLOP").c_str(),
                both(cost.weights_read + cost.memory_read).c_str());
    if (in.bandwidth) {
      std::printf("; at least %.3f ms fp32, %.3f ms bf16 at %g GB/s", floor_ms(cost, kFp32Bytes, *in.bandwidth),
                  floor_ms(cost, kBf16Bytes, *in.bandwidth), *in.bandwidth);
    }
    std::printf("\n");
  };
  step("a generated token", in.token);
  step("a thought", in.thought);
  std::fflush(stdout);
}

int run_inspect(const std::vector<std::string>& args) {
  std::string path;
  bool json = false;
  double bandwidth = 0;
  int64_t context = 0;
  Options options("inspect", "Parameters, bytes and work of a checkpoint, from its config.json alone.",
                  "tacit inspect models/frontier --bandwidth 25");
  options.positional("PATH", &path, "checkpoint directory or config.json");
  options.flag("json", &json, "print JSON");
  options.add("bandwidth", "GB/S", &bandwidth, "memory bandwidth: also print the least time of a step", 0);
  options.add("context", "N", &context,
              "tokens in memory for the cost of a step (default: the model's positions, at most 1024)", 1);
  if (!options.parse(args)) return kDone;
  if (options.given("bandwidth") && bandwidth <= 0) options.reject("expected a positive number for '--bandwidth'");

  Inspection in;
  in.file =
      std::filesystem::is_directory(path) ? std::filesystem::path(path) / "config.json" : std::filesystem::path(path);
  in.config = read_shapes(read_json(in.file, "inspect"), in.file.string());
  in.context = context > 0 ? context : std::min<int64_t>(in.config.max_positions, 1024);
  in.account = account(in.config);
  in.thought = thought_cost(in.config, in.context);
  in.token = token_cost(in.config, in.context);
  in.prompt_flops = prompt_flops_per_token(in.config, in.context);
  if (bandwidth > 0) in.bandwidth = bandwidth;
  if (json) {
    print_json(in);
  } else {
    print_table(in);
  }
  return kDone;
}

}  // namespace

Command inspect_command() { return {"inspect", "parameters, bytes and FLOPs of a checkpoint or config", run_inspect}; }

}  // namespace tacit
