#pragma once

#include <cstdint>

#include "lib/kernels/bf16.h"

namespace tacit {

// The inner part of gemm() by tiles, on the tiles of Intel's AMX [Intel 64 and IA-32 Architectures Optimization
// Reference Manual, chapter 20]: registers of 16 rows of 64 bytes. One instruction adds to a tile of 16 x 16 sums the
// products of 16 vectors with 16 others over a depth of 32; the left ones lie one below the other, of the right ones
// pairs of depths lie one below the other.

inline constexpr int64_t kTileVectors = 16, kTileDepth = 32, kTileBytes = 1024;
inline constexpr int64_t kBlock = 2 * kTileVectors;  // vectors on either side of a block of four tiles of sums

bool has_tiles();

// Sets the calling thread's tiles up; puts back what was set before, which other libraries rely on.
class TileSetup {
 public:
  TileSetup();
  ~TileSetup();
  TileSetup(const TileSetup&) = delete;
  TileSetup& operator=(const TileSetup&) = delete;

 private:
  alignas(64) unsigned char before_[64];
};

// `count` vectors of `depth` numbers; one of the strides is 1.
struct Bf16Vectors {
  const Bf16* data = nullptr;
  int64_t count = 0, depth = 0;
  int64_t stride = 0, depth_stride = 0;  // elements
};

// Packs 32 vectors, numbers `first` on, over depths `from` .. `to` - 1 (from: a multiple of 32) as two columns of
// tiles side by side, zero beyond the end: packed[ceil((to - from) / 32)][2][1 KB].
enum class Side { left, right };
void pack_block(Side side, const Bf16Vectors& vectors, int64_t first, int64_t from, int64_t to, char* packed);

// 32 left vectors: packed, or where they lie, if depths lie together there and are a multiple of 32.
struct LeftBlock {
  const char* data = nullptr;
  int64_t stride = 64, below = kTileBytes,
          step = 2 * kTileBytes;  // bytes to the next vector, 16 vectors on, 32 depths on
};

// sums[32 left][32 right] (+)= left times right, a packed block, over `steps` times 32 depths. Aligned to 64 bytes.
void multiply_blocks(const LeftBlock& left, const char* right, int64_t steps, bool add, float* sums);

// y[left][right] = bf16(sums + bias [+ y]) for the first `left` x `right` of a block.
struct BlockEnd {
  const float* sums = nullptr;
  int64_t left = 0, right = 0;
  Side rows = Side::left;      // whose vectors are y's rows; y's columns are the other's
  const Bf16* bias = nullptr;  // of the block's columns; null = none
  bool add = false;
  Bf16* y = nullptr;
  int64_t y_stride = 0;  // between rows
};
void finish_block(const BlockEnd& end);

}  // namespace tacit
