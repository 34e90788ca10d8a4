#include "lib/core/error.h"
#include "lib/train/data_parallel.h"

namespace tacit {

bool has_data_parallel() { return false; }

std::unique_ptr<DataParallel> join_gloo(const DataParallelOptions& options) {
  fail("train", "expected a build with data parallelism to train in ", options.world_size,
       " processes but this one found no headers of Gloo (Debian: libgloo-dev)");
}

}  // namespace tacit
