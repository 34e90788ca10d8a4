#include "lib/core/rng.h"

#include <cfloat>
#include <cmath>
#include <numeric>

#include "lib/core/error.h"

// Draws must be the same on every machine. libm's log, cos and exp differ by an ulp between systems, so this file uses
// only
// + - * / and sqrt, which IEEE 754 rounds exactly, in a fixed order; and the compiler must not fuse or reorder them
// (GCC takes -ffp-contract=off from CMakeLists.txt).
#ifdef __FAST_MATH__
#error "lib/core/rng.cpp needs exact IEEE arithmetic; compile it without -ffast-math"
#endif
#ifdef __clang__
#pragma clang fp contract(off)
#endif
static_assert(FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 16, "double must be computed in double precision");
static_assert(DBL_MANT_DIG == 53);

namespace tacit {
namespace {

// Natural logarithm of x > 0, error below 2 ulp for x <= 1: x = m 2^e with m in [sqrt(1/2), sqrt(2)),
// log m = 2 (s + s^3/3 + ... + s^23/23), s = (m - 1) / (m + 1), |s| < 0.172.
double fixed_log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);
  if (m < 0.70710678118654752) {
    m *= 2;
    --exponent;
  }
  const double s = (m - 1) / (m + 1);
  const double s2 = s * s;
  double sum = 0;
  for (int n = 23; n >= 1; n -= 2) sum = sum * s2 + 1.0 / n;
  return exponent * 0.69314718055994531 + 2 * s * sum;
}

// cos(2 pi u) for u in [0, 1]: the nearest quarter turn is taken out exactly, Taylor series on what is left, at most pi
// / 4.
double fixed_cos_turns(double u) {
  const int quarter = static_cast<int>(4 * u + 0.5);
  const double angle = 6.2831853071795865 * (u - 0.25 * quarter);
  const double a2 = angle * angle;
  double cosine = 1, sine = 1;
  for (int n = 18; n >= 2; n -= 2) {
    cosine = 1 - cosine * a2 / (n * (n - 1));
    sine = 1 - sine * a2 / (n * (n + 1));
  }
  sine *= angle;
  switch (quarter & 3) {
    case 0: return cosine;
    case 1: return -sine;
    case 2: return -cosine;
    default: return sine;
  }
}

// exp(-x) for x in [0, 30], relative error below 1e-13: Taylor series of exp(-x / 64), squared six times.
double fixed_exp_minus(double x) {
  const double part = x / 64;
  double sum = 1;
  for (int n = 18; n >= 1; --n) sum = 1 - sum * part / n;
  for (int i = 0; i < 6; ++i) sum *= sum;
  return sum;
}

// [0, n) by throwing away the 2^64 mod n lowest draws; n = 0 means 2^64.
uint64_t below_unsigned(Rng& rng, uint64_t n) {
  if (n == 0) return rng.next_u64();
  const uint64_t discarded = (0 - n) % n;
  uint64_t draw = rng.next_u64();
  while (draw < discarded) draw = rng.next_u64();
  return draw % n;
}

}  // namespace

std::array<uint32_t, 4> philox4x32_10(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

Rng::Rng(uint64_t seed, uint64_t stream, uint32_t substream)
    : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
      counter_{0, substream, static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)} {}

uint32_t Rng::next_u32() {
  if (used_ == 4) {
    require(!exhausted_, "rng", "expected at most 2^34 draws of one stream but got more");
    block_ = philox4x32_10(counter_, key_);
    used_ = 0;
    exhausted_ = ++counter_[0] == 0;  // the next block would be the first one again
  }
  return block_[static_cast<size_t>(used_++)];
}

uint64_t Rng::next_u64() {
  const uint64_t low = next_u32();
  return low | uint64_t{next_u32()} << 32;
}

double Rng::uniform() { return static_cast<double>(next_u64() >> 11) * 0x1p-53; }

int64_t Rng::below(int64_t n) {
  require(n >= 1, "rng", "expected below(n) with n of at least 1 but got ", n);
  return static_cast<int64_t>(below_unsigned(*this, static_cast<uint64_t>(n)));
}

int64_t Rng::between(int64_t low, int64_t high) {
  require(low <= high, "rng", "expected between(low, high) with low <= high but got ", low, " and ", high);
  const uint64_t count = static_cast<uint64_t>(high) - static_cast<uint64_t>(low) + 1;  // 0 for all 2^64
  return static_cast<int64_t>(static_cast<uint64_t>(low) + below_unsigned(*this, count));
}

double Rng::normal() {
  const double radius = std::sqrt(-2 * fixed_log(1 - uniform()));  // 1 - u is exact and in (0, 1]
  return radius * fixed_cos_turns(uniform());
}

int64_t Rng::poisson(double mean) {
  require(mean > 0 && mean <= 30, "rng", "expected a Poisson mean in (0, 30] but got ", mean);
  const double limit = fixed_exp_minus(mean);
  int64_t count = 0;
  for (double product = uniform(); product > limit; product *= uniform()) ++count;
  return count;
}

std::vector<int64_t> Rng::permutation(int64_t n) {
  require(n >= 0, "rng", "expected a permutation of 0 or more items but got ", n);
  std::vector<int64_t> items(static_cast<size_t>(n));
  std::iota(items.begin(), items.end(), int64_t{0});
  shuffle(items);
  return items;
}

std::vector<int64_t> Rng::weighted_sample(std::span<const double> weights, int64_t k) {
  std::vector<double> left(weights.begin(), weights.end());
  int64_t positive = 0;
  for (size_t i = 0; i < left.size(); ++i) {
    require(std::isfinite(left[i]) && left[i] >= 0, "rng", "expected weight ", i,
            " to be finite and not negative but got ", left[i]);
    if (left[i] > 0) ++positive;
  }
  require(k >= 0 && k <= positive, "rng", "expected a sample of 0 to ", positive, " (positive weights) but got ", k);

  std::vector<int64_t> chosen;
  for (int64_t drawn = 0; drawn < k; ++drawn) {
    const double total =
        std::accumulate(left.begin(), left.end(), 0.0);  // in index order, for the same rounding everywhere
    require(std::isfinite(total), "rng", "expected weights with a finite sum but got ", total);
    double rest = uniform() * total;
    size_t pick = 0;
    for (size_t i = 0; i < left.size(); ++i) {
      if (left[i] == 0) continue;
      pick = i;  // rounding may leave a rest behind the last weight; then the last one is meant
      if (rest < left[i]) break;
      rest -= left[i];
    }
    chosen.push_back(static_cast<int64_t>(pick));
    left[pick] = 0;
  }
  return chosen;
}

}  // namespace tacit
