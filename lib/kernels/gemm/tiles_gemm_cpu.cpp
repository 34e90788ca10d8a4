#include <algorithm>
#include <atomic>
#include <memory>

#include "lib/kernels/gemm/gemm.h"
#include "lib/kernels/gemm/tiles.h"
#include "lib/kernels/huge_pages.h"
#include "lib/kernels/team.h"

namespace tacit {
namespace {

constexpr int64_t kMostDepth = 4096;              // of left vectors packed at a time
constexpr int64_t kSlabBytes = int64_t{1} << 20;  // half of the second cache
constexpr int64_t kMostSlabBlocks = 8;
constexpr int64_t kWorthTheTeam = int64_t{1} << 20;  // multiply-adds; below, waking a thread costs more than the work

constexpr int64_t blocks(int64_t vectors) { return (vectors + kBlock - 1) / kBlock; }
constexpr int64_t steps(int64_t depth) { return (depth + kTileDepth - 1) / kTileDepth; }

// Grows and is kept by the thread that calls: as much as the largest right side it has packed.
char* room(std::unique_ptr<HugePages>& pages, int64_t bytes) {
  if (!pages || pages->bytes() < bytes) {
    pages = nullptr;
    pages = std::make_unique<HugePages>(bytes);
  }
  return pages->data();
}

// The matrix with fewer vectors stands on the right, packed as a whole; of the other one, slabs of vectors that stay in
// the second cache are packed and used in turn, in pieces of its depth where this is large. Threads take what is next:
// blocks to pack of the slab to come, then blocks of sums of the slab that is there.
class Product {
 public:
  explicit Product(const GemmArgs& args) : args_(args) {
    const Bf16Vectors of_a{static_cast<const Bf16*>(args.a_MK.data), args.rows, args.depth, args.a_MK.row_stride,
                           args.a_MK.column_stride};
    const Bf16Vectors of_b{static_cast<const Bf16*>(args.b_KN.data), args.columns, args.depth, args.b_KN.column_stride,
                           args.b_KN.row_stride};
    rows_ = args.rows >= args.columns ? Side::left : Side::right;
    left_ = rows_ == Side::left ? of_a : of_b;
    right_ = rows_ == Side::left ? of_b : of_a;
    right_block_bytes_ = steps(args.depth) * 2 * kTileBytes;
    const int64_t piece_block_bytes = steps(std::min(args.depth, kMostDepth)) * 2 * kTileBytes;
    slab_blocks_ = std::clamp<int64_t>(kSlabBytes / piece_block_bytes, 1, kMostSlabBlocks);
    slabs_ = (blocks(left_.count) + slab_blocks_ - 1) / slab_blocks_;
    pieces_ = (args.depth + kMostDepth - 1) / kMostDepth;
    slab_bytes_ = slab_blocks_ * piece_block_bytes;
    thread_local std::unique_ptr<HugePages> left, right, sums;
    packed_right_ = room(right, blocks(right_.count) * right_block_bytes_);
    packed_left_ = room(left, 2 * slab_bytes_);
    if (pieces_ > 1)
      sums_ = reinterpret_cast<float*>(room(sums, slab_blocks_ * blocks(right_.count) * kBlock * kBlock * 4));
  }

  // Every member of the team.
  void run(Team& team) {
    const TileSetup tiles;
    const int64_t stages = slabs_ * pieces_, right_blocks = blocks(right_.count);
    constexpr int64_t kTasksEach = 8;  // so that threads finish together
    const int64_t together =
        std::clamp<int64_t>(slab_blocks_ * right_blocks / (kTasksEach * team.size()), 1, slab_blocks_);
    int64_t begin = 0, ticket = next_.fetch_add(1);
    for (int64_t stage = -1; stage < stages; ++stage) {
      const Slab now = slab(std::max<int64_t>(stage, 0)), then = slab(stage + 1);
      const int64_t packs = stage + 1 < stages ? then.blocks : 0;
      const int64_t groups = (now.blocks + together - 1) / together;
      const int64_t end = begin + packs + right_blocks * (stage < 0 ? 1 : groups);
      for (; ticket < end; ticket = next_.fetch_add(1)) {
        const int64_t task = ticket - begin;
        if (task < packs) {
          prepare_left(then, task);
        } else if (stage < 0) {
          pack_right(task - packs);
        } else {
          const int64_t first = (task - packs) % groups * together;
          multiply(now, first, std::min(first + together, now.blocks), (task - packs) / groups);
        }
      }
      begin = end;
      team.meet();
    }
  }

 private:
  // What a stage multiplies: blocks of left vectors and a piece of the depth.
  struct Slab {
    int64_t first, blocks, from, to;
    char* packed;
  };
  Slab slab(int64_t stage) const {
    const int64_t first = stage / pieces_ * slab_blocks_, from = stage % pieces_ * kMostDepth;
    return {.first = first,
            .blocks = std::min(slab_blocks_, blocks(left_.count) - first),
            .from = from,
            .to = std::min(from + kMostDepth, args_.depth),
            .packed = packed_left_ + stage % 2 * slab_bytes_};
  }
  char* packed_block(const Slab& s, int64_t l) const { return s.packed + l * steps(s.to - s.from) * 2 * kTileBytes; }
  // Whether a block of left vectors is multiplied where it lies.
  bool in_place(int64_t block) const {
    return left_.depth_stride == 1 && args_.depth % kTileDepth == 0 && (block + 1) * kBlock <= left_.count;
  }
  LeftBlock left_block(const Slab& s, int64_t l) const {
    if (!in_place(s.first + l)) return {.data = packed_block(s, l)};
    const int64_t stride = left_.stride * 2;
    const Bf16* at = left_.data + (s.first + l) * kBlock * left_.stride + s.from;
    return {.data = reinterpret_cast<const char*>(at),
            .stride = stride,
            .below = kTileVectors * stride,
            .step = kTileDepth * 2};
  }

  void pack_right(int64_t r) const {
    pack_block(Side::right, right_, r * kBlock, 0, args_.depth, packed_right_ + r * right_block_bytes_);
  }
  // Where nothing need be packed, the vectors are brought near: tiles are slow to load from memory.
  void prepare_left(const Slab& s, int64_t l) const {
    const int64_t first = (s.first + l) * kBlock;
    if (!in_place(s.first + l)) return pack_block(Side::left, left_, first, s.from, s.to, packed_block(s, l));
    constexpr int64_t kLine = 32;  // numbers
    for (int64_t v = first; v < first + kBlock; ++v) {
      const Bf16* at = left_.data + v * left_.stride;
      for (int64_t k = s.from; k < s.to; k += kLine) __builtin_prefetch(at + k, /*write=*/0, /*second cache*/ 2);
    }
  }
  // Block r of the right vectors with blocks first .. last - 1 of the slab.
  void multiply(const Slab& s, int64_t first, int64_t last, int64_t r) const {
    alignas(64) float own[kBlock * kBlock];
    const char* right = packed_right_ + r * right_block_bytes_ + steps(s.from) * 2 * kTileBytes;
    for (int64_t l = first; l < last; ++l) {
      float* sums = sums_ ? sums_ + (r * slab_blocks_ + l) * kBlock * kBlock : own;
      multiply_blocks(left_block(s, l), right, steps(s.to - s.from), s.from > 0, sums);
      if (s.to == args_.depth) finish(s.first + l, r, sums);
    }
  }
  void finish(int64_t l, int64_t r, const float* sums) const {
    const int64_t row = (rows_ == Side::left ? l : r) * kBlock, column = (rows_ == Side::left ? r : l) * kBlock;
    finish_block({.sums = sums,
                  .left = std::min(kBlock, left_.count - l * kBlock),
                  .right = std::min(kBlock, right_.count - r * kBlock),
                  .rows = rows_,
                  .bias = args_.bias_N ? static_cast<const Bf16*>(args_.bias_N) + column : nullptr,
                  .add = args_.add,
                  .y = static_cast<Bf16*>(args_.y_MN) + row * args_.columns + column,
                  .y_stride = args_.columns});
  }

  const GemmArgs& args_;
  Side rows_;  // which side a's rows are on
  Bf16Vectors left_, right_;
  int64_t right_block_bytes_, slab_bytes_, slab_blocks_, slabs_, pieces_;
  char *packed_left_, *packed_right_;
  float* sums_ = nullptr;  // of a slab, where the depth comes in pieces
  alignas(64) std::atomic<int64_t> next_ = 0;
};

}  // namespace

void tiles_gemm_cpu(const GemmArgs& args) {
  Product product(args);
  run_team(args.rows * args.columns * args.depth < kWorthTheTeam, [&](Team& team) { product.run(team); });
}

}  // namespace tacit
