#include "apps/ranks.h"

#include <charconv>
#include <cstdlib>
#include <string>

#include "lib/core/error.h"

namespace tacit {
namespace {

std::string variable(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : fallback;
}

int64_t number(const char* name, const char* fallback, int64_t low, int64_t high) {
  const std::string text = variable(name, fallback);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high) {
    throw UsageError("expected " + std::string(name) + " in the environment from " + std::to_string(low) + " to " +
                     std::to_string(high) + " but got '" + text + "'");
  }
  return value;
}

}  // namespace

void join_ranks(DataParallelOptions& options, double timeout_s) {
  const int64_t wanted = options.world_size;
  options.world_size = number("WORLD_SIZE", "1", 1, 65536);
  require(wanted == 1 || wanted == options.world_size, "train", "expected the ", wanted,
          " processes of the recipe but got ", options.world_size, " from WORLD_SIZE; start them with torchrun");
  options.timeout_s = timeout_s;
  if (options.world_size == 1) return;
  options.rank = number("RANK", "", 0, options.world_size - 1);
  options.master_addr = variable("MASTER_ADDR", options.master_addr.c_str());
  options.master_port = number("MASTER_PORT", std::to_string(options.master_port).c_str(), 1, 65535);
  options.serves = variable("TORCHELASTIC_USE_AGENT_STORE", "False") != "True";
}

std::string device_of_rank(const std::string& name) {
  if (name != "cuda" || number("WORLD_SIZE", "1", 1, 65536) == 1) return name;
  return "cuda:" + std::to_string(number("LOCAL_RANK", "", 0, 65535));
}

Ranks read_ranks() {
  Ranks out;
  out.ranks = number("WORLD_SIZE", "1", 1, 65536);
  if (out.ranks > 1) out.rank = number("RANK", "", 0, out.ranks - 1);
  return out;
}

void check_ranks(const Options& options, bool has_out) {
  const Ranks ranks = read_ranks();
  if (ranks.ranks > 1 && !has_out)
    options.reject("expected '--out', the folder that " + std::to_string(ranks.ranks) +
                   " processes (WORLD_SIZE) share, but got none");
}

}  // namespace tacit
