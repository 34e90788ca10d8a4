#include <algorithm>
#include <cstdio>
#include <iostream>
#include <numeric>

#include "apps/commands.h"
#include "apps/counted.h"
#include "apps/options.h"
#include "apps/render.h"
#include "apps/runtime.h"
#include "lib/core/error.h"
#include "lib/model/accounting.h"

namespace tacit {
namespace {

constexpr int64_t kFp32Bytes = 4, kBf16Bytes = 2;

OrderedJson bytes_json(int64_t values) { return {{"fp32", kFp32Bytes * values}, {"bf16", kBf16Bytes * values}}; }

OrderedJson bytes_json(const StepCost& cost) {
  return {{"fp32", cost.bytes(kFp32Bytes)}, {"bf16", cost.bytes(kBf16Bytes)}};
}

double floor_ms(const StepCost& cost, int64_t bytes_per_value, double gb_per_s) {
  return static_cast<double>(cost.bytes(bytes_per_value)) / (gb_per_s * 1e9) * 1e3;
}

OrderedJson floor_json(const StepCost& cost, double gb_per_s) {
  return {{"fp32", floor_ms(cost, kFp32Bytes, gb_per_s)}, {"bf16", floor_ms(cost, kBf16Bytes, gb_per_s)}};
}

const char* kind_name(MemoryLayer::Kind kind) {
  switch (kind) {
    case MemoryLayer::Kind::full: return "full";
    case MemoryLayer::Kind::window: return "window";
    case MemoryLayer::Kind::state: return "state";
  }
  return "";
}

struct Inspection {
  std::filesystem::path file;
  ModelConfig config;
  Account account;
  StepCost thought, token;
  int64_t context = 1, prompt_flops = 0;
  std::array<int64_t, 3> memory_fp32 = {}, memory_bf16 = {};  // bytes at that context
  std::optional<double> bandwidth;                            // GB/s

  // Whether a token or a thought may follow what was read; else nothing is stored and no such step has a price.
  bool goes_on() const { return !config.bidirectional; }
};

int64_t sum(const std::array<int64_t, 3>& bytes) { return std::accumulate(bytes.begin(), bytes.end(), int64_t{0}); }

void print_json(const Inspection& in) {
  OrderedJson components = OrderedJson::object();
  for (const auto& [name, count] : in.account.by_component) components[name] = count;
  OrderedJson memory = OrderedJson::object();
  for (const MemoryAccount& kept : in.account.memory) {
    memory[kind_name(kept.kind)] = {
        {"layers", kept.layers}, {"values_per_token", kept.values_per_token}, {"fixed_values", kept.fixed_values}};
  }
  memory["bytes"] = {{"fp32", sum(in.memory_fp32)}, {"bf16", sum(in.memory_bf16)}};
  OrderedJson out = {
      {"file", in.file.string()},
      {"family", in.config.family},
      {"recurrences", in.config.depth.recurrences},
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
      {"memory", memory},
      {"flops", {{"prompt_token", in.prompt_flops}}}};
  if (in.goes_on()) {
    out["flops"].update({{"generated_token", in.token.flops}, {"thought", in.thought.flops}});
    out["bytes_read"] = {{"generated_token", bytes_json(in.token)}, {"thought", bytes_json(in.thought)}};
  }
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

std::string both(int64_t fp32_bytes, int64_t bf16_bytes) {
  return scaled(static_cast<double>(fp32_bytes), "B") + " fp32, " + scaled(static_cast<double>(bf16_bytes), "B") +
         " bf16";
}

void print_shape(const Inspection& in) {
  const ModelConfig& c = in.config;
  const auto number = [](int64_t value) { return std::to_string(value); };
  std::string text = in.file.string() + ": " + c.family + ", " + counted(c.layers, "layer") + " of width " +
                     number(c.hidden_size) + ", " + counted(c.heads, "head");
  if (c.kv_heads != c.heads) text += " (" + number(c.kv_heads) + " key/value)";
  text += " of " + number(c.head_size) + ", MLP " + number(c.mlp_size);
  if (c.experts.count > 0) {
    text += ", " + counted(c.experts.count, "expert") + " of " + number(c.experts.mlp_size) + " (a token takes " +
            number(c.experts.chosen) + ")";
  }
  text += ", vocabulary " + number(c.vocab_size) + (c.tied_embeddings ? " (tied)" : "");
  if (c.depth.recurrences > 1) text += ", " + counted(c.depth.recurrences, "recurrence");
  std::printf("%s\n\n", text.c_str());
}

void print_parameters(const Account& account) {
  std::printf("parameters %23s\n", grouped(account.parameters).c_str());
  const auto line = [&](const char* name, int64_t count) {
    const double share = static_cast<double>(count) / static_cast<double>(account.parameters);
    std::printf("  %-14s %17s  %5.1f %%  %s\n", name, grouped(count).c_str(), 100 * share, bar(share, 32).c_str());
  };
  for (const auto& [name, count] : account.by_component) line(name.c_str(), count);
  if (account.active_per_token < account.parameters) line("active a token", account.active_per_token);
  const auto [least, most] = std::minmax_element(account.by_layer.begin(), account.by_layer.end());
  std::printf("  %-14s %17s%s\n\n", "a layer", grouped(*most).c_str(),
              *least == *most ? "" : (" (the smallest " + grouped(*least) + ")").c_str());
}

void print_memory(const Inspection& in) {
  const Account& account = in.account;
  if (!in.goes_on()) {
    std::printf("memory           none: the input is read at once\n");
    return;
  }
  // Blocks that run again remember anew each time.
  const char* noun = in.config.depth.recurrences > 1 ? "layer run" : "layer";
  std::printf("memory a token   %s (%s values)\n",
              both(kFp32Bytes * account.memory_values_per_token, kBf16Bytes * account.memory_values_per_token).c_str(),
              grouped(account.memory_values_per_token).c_str());
  for (const MemoryAccount& kept : account.memory) {
    if (kept.layers == 0) continue;
    const bool grows = kept.kind == MemoryLayer::Kind::full;
    std::printf("  %-6s %15s %15s values %s\n", kind_name(kept.kind), counted(kept.layers, noun).c_str(),
                grouped(grows ? kept.values_per_token : kept.fixed_values).c_str(), grows ? "a token" : "in all");
  }
}

void print_memory_at_context(const Inspection& in) {
  const int64_t all = sum(in.memory_bf16);
  std::printf("  memory             %s\n", both(sum(in.memory_fp32), all).c_str());
  if (std::ranges::count(in.memory_bf16, 0) == 2) return;  // of one kind
  for (const MemoryAccount& kept : in.account.memory) {
    const int64_t bytes = in.memory_bf16[static_cast<size_t>(kept.kind)];
    const double share = static_cast<double>(bytes) / static_cast<double>(all);
    if (bytes > 0) std::printf("    %-16s %5.1f %%  %s\n", kind_name(kept.kind), 100 * share, bar(share, 32).c_str());
  }
}

void print_table(const Inspection& in) {
  print_shape(in);
  print_parameters(in.account);
  std::printf("weights          %s\n",
              both(kFp32Bytes * in.account.parameters, kBf16Bytes * in.account.parameters).c_str());
  print_memory(in);
  std::printf("\nwith %s of context:\n", counted(in.context, "token").c_str());
  if (in.goes_on()) print_memory_at_context(in);
  std::printf("  a prompt token     %s\n", scaled(static_cast<double>(in.prompt_flops), "FLOP").c_str());
  auto step = [&](const char* name, const StepCost& cost) {
    std::printf("  %-18s %s, reads %s", name, scaled(static_cast<double>(cost.flops), "FLOP").c_str(),
                both(cost.bytes(kFp32Bytes), cost.bytes(kBf16Bytes)).c_str());
    if (in.bandwidth) {
      std::printf("; at least %.3f ms fp32, %.3f ms bf16 at %g GB/s", floor_ms(cost, kFp32Bytes, *in.bandwidth),
                  floor_ms(cost, kBf16Bytes, *in.bandwidth), *in.bandwidth);
    }
    std::printf("\n");
  };
  if (in.goes_on()) {
    step("a generated token", in.token);
    step("a thought", in.thought);
  }
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
  if (context > in.config.max_positions) {
    options.reject("expected a --context of at most " + std::to_string(in.config.max_positions) +
                   " (the model's positions) but got " + std::to_string(context));
  }
  if (!in.goes_on()) options.reject_useless({"bandwidth"}, "models that go on after their input, token by token");
  in.context = context > 0 ? context : std::min<int64_t>(in.config.max_positions, 1024);
  in.account = account(in.config);
  in.thought = thought_cost(in.config, in.context);
  in.token = token_cost(in.config, in.context);
  in.prompt_flops = prompt_flops_per_token(in.config, in.context);
  in.memory_fp32 = memory_bytes(in.config, in.context, kFp32Bytes);
  in.memory_bf16 = memory_bytes(in.config, in.context, kBf16Bytes);
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
