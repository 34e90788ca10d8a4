#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tacit {

// Processes that train one model together, each on its share of every batch.
struct DataParallelOptions {
  int64_t rank = 0, world_size = 1;
  std::string master_addr = "127.0.0.1";  // where the processes find each other
  int64_t master_port = 29500;
  bool serves = true;     // whether rank 0 opens that port; false where the launcher has done so
  double timeout_s = 60;  // longest that one waits for the others; saving and validating happen within
};

// Every call is made by all processes, in the same order; `what` names it in errors. A process that ends or does not
// come within the timeout makes the call fail in all others.
class DataParallel {
 public:
  virtual ~DataParallel() = default;
  virtual int64_t rank() const = 0;
  virtual int64_t size() const = 0;
  virtual void sum(at::Tensor& values,
                   const std::string& what) = 0;  // in place, fp32, one dimension; the same bits everywhere
  virtual std::vector<std::string> gather(const std::string& bytes, const std::string& what) = 0;  // by rank

  bool all(bool condition, const std::string& what);
};

// Whether this build can run more than one process: it found the headers of Gloo.
bool has_data_parallel();

// Waits for all processes. A world of one needs neither network nor Gloo. Fails on a rank outside the world, when the
// others do not come in time, and where has_data_parallel() is false.
std::unique_ptr<DataParallel> join_data_parallel(const DataParallelOptions& options);

// lib/train/data_parallel_gloo.cpp, or data_parallel_none.cpp in a build without.
std::unique_ptr<DataParallel> join_gloo(const DataParallelOptions& options);

}  // namespace tacit
