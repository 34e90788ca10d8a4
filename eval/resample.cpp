#include "eval/resample.h"

#include "lib/core/error.h"
#include "lib/core/rng.h"

namespace tacit {
namespace {

class Index {
 public:
  explicit Index(size_t n) : n_(n), rejected_((uint64_t{1} << 32) % n) {}
  size_t draw(Rng& rng) const {
    while (true) {
      const uint64_t scaled = rng.next_u32() * n_;
      if ((scaled & 0xffffffffu) >= rejected_) return scaled >> 32;
    }
  }

 private:
  uint64_t n_, rejected_;
};

}  // namespace

std::vector<double> resampled_means(std::span<const Cluster> clusters, int64_t resamples, uint64_t seed) {
  require(!clusters.empty() && clusters.size() <= UINT32_MAX, "bootstrap_mean",
          "expected 1 to 2^32 - 1 values but got ", clusters.size());
  require(resamples >= 1, "bootstrap_mean", "expected at least 1 resample but got ", resamples);
  Rng rng(seed);
  const Index index(clusters.size());
  std::vector<double> means(resamples);
  for (double& mean : means) {
    double sum = 0;
    int64_t count = 0;
    for (size_t i = 0; i < clusters.size(); ++i) {
      const Cluster& drawn = clusters[index.draw(rng)];
      sum += drawn.sum;
      count += drawn.count;
    }
    require(count > 0, "bootstrap_mean", "expected clusters with items but got empty ones");
    mean = sum / static_cast<double>(count);
  }
  return means;
}

}  // namespace tacit
