#include "lib/train/data_parallel.h"

#include <algorithm>

#include "lib/core/error.h"

namespace tacit {
namespace {

class Alone : public DataParallel {
 public:
  int64_t rank() const override { return 0; }
  int64_t size() const override { return 1; }
  void sum(at::Tensor&, const std::string&) override {}
  std::vector<std::string> gather(const std::string& bytes, const std::string&) override { return {bytes}; }
};

}  // namespace

bool DataParallel::all(bool condition, const std::string& what) {
  if (size() == 1) return condition;
  const std::vector<std::string> answers = gather(condition ? "1" : "0", what);
  return std::ranges::all_of(answers, [](const std::string& answer) { return answer == "1"; });
}

std::unique_ptr<DataParallel> join_data_parallel(const DataParallelOptions& options) {
  require(options.world_size >= 1 && options.rank >= 0 && options.rank < options.world_size, "train",
          "expected a rank below the number of processes, ", options.world_size, ", but got ", options.rank);
  require(options.timeout_s > 0, "train", "expected a timeout above 0 s but got ", options.timeout_s);
  if (options.world_size == 1) return std::make_unique<Alone>();
  return join_gloo(options);
}

}  // namespace tacit
