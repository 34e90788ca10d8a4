#include "lib/kernels/gemm/tiles.h"

#include <algorithm>
#include <cstring>

#include "lib/core/error.h"

#if defined(__x86_64__) && defined(__linux__)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // of undefined registers in GCC's own header, its bug 105593
#endif
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TACIT_AMX \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,amx-tile,amx-bf16,prefer-vector-width=512")))

namespace tacit {
namespace {

// The kernel hands out the tiles' large state on request only, and then to all threads of a process.
bool system_grants_tiles() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

// Eight tiles of full size. In memory from the start: GCC 12 does not know that the instruction reads all of it.
constexpr TileConfig kConfig = [] {
  TileConfig config;
  std::fill_n(config.row_bytes, 8, 64);
  std::fill_n(config.rows, 8, 16);
  return config;
}();

TACIT_AMX void set_up(unsigned char* before) {
  _tile_storeconfig(before);
  _tile_loadconfig(&kConfig);
}
TACIT_AMX void put_back(const unsigned char* before) { _tile_loadconfig(before); }

// r[i][j] of 32 bits -> r[j][i].
TACIT_AMX inline void transpose(__m512i (&r)[16]) {
  __m512i t[16];
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  constexpr int kEven = 0x88, kOdd = 0xdd;  // quarters of a register
  for (int i = 0; i < 4; ++i) {
    for (int half = 0; half < 16; half += 8) {
      t[half + i] = _mm512_shuffle_i32x4(r[half + i], r[half + i + 4], kEven);
      t[half + i + 4] = _mm512_shuffle_i32x4(r[half + i], r[half + i + 4], kOdd);
    }
  }
  for (int i = 0; i < 8; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], kEven);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], kOdd);
  }
}

constexpr uint32_t first_bits(int64_t count) { return count >= 32 ? ~0u : (1u << count) - 1; }

// One tile. Where depths lie together, vectors are what is read, else pairs of depths; the other form is its transpose.
TACIT_AMX inline void pack_tile(Side side, const Bf16Vectors& v, int64_t first, int64_t from, int64_t to, char* tile) {
  const int64_t count = std::clamp<int64_t>(v.count - first, 0, kTileVectors);
  const int64_t depth = std::min(to - from, kTileDepth);
  const Bf16* at = v.data + first * v.stride + from * v.depth_stride;
  __m512i lines[16];
  if (v.depth_stride == 1) {
    const __mmask32 mask = first_bits(depth);
    for (int i = 0; i < 16; ++i) {
      lines[i] = i < count ? _mm512_maskz_loadu_epi16(mask, at + i * v.stride) : _mm512_setzero_si512();
    }
  } else {
    const __mmask16 mask = static_cast<__mmask16>(first_bits(count));
    const auto line = [&](int64_t d) TACIT_AMX {
      const __m256i some = d < depth ? _mm256_maskz_loadu_epi16(mask, at + d * v.depth_stride) : _mm256_setzero_si256();
      return _mm512_cvtepu16_epi32(some);
    };
    for (int i = 0; i < 16; ++i) {
      lines[i] = _mm512_or_si512(line(2 * i), _mm512_slli_epi32(line(2 * i + 1), 16));
    }
  }
  if ((v.depth_stride == 1) != (side == Side::left)) transpose(lines);
  for (int i = 0; i < 16; ++i) _mm512_store_si512(tile + 64 * i, lines[i]);
}

TACIT_AMX inline void widen(__m512i bf16, __m512 (&out)[2]) {
  const __m256i halves[2] = {_mm512_castsi512_si256(bf16), _mm512_extracti64x4_epi64(bf16, 1)};
  for (int i = 0; i < 2; ++i) out[i] = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves[i]), 16));
}

}  // namespace

bool has_tiles() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("amx-tile") &&
                          __builtin_cpu_supports("amx-bf16") && system_grants_tiles();
  return has;
}

TileSetup::TileSetup() { set_up(before_); }
TileSetup::~TileSetup() { put_back(before_); }

TACIT_AMX void pack_block(Side side, const Bf16Vectors& vectors, int64_t first, int64_t from, int64_t to,
                          char* packed) {
  for (int64_t d = from; d < to; d += kTileDepth) {
    for (int64_t half = 0; half < kBlock; half += kTileVectors, packed += kTileBytes) {
      pack_tile(side, vectors, first + half, d, to, packed);
    }
  }
}

TACIT_AMX void multiply_blocks(const LeftBlock& block, const char* right, int64_t steps, bool add, float* sums) {
  const char* left = block.data;
  constexpr int64_t kStride = kBlock * 4;
  float* const below = sums + kTileVectors * kBlock;
  if (add) {
    _tile_loadd(0, sums, kStride);
    _tile_loadd(1, sums + kTileVectors, kStride);
    _tile_loadd(2, below, kStride);
    _tile_loadd(3, below + kTileVectors, kStride);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t k = 0; k < steps; ++k, left += block.step, right += 2 * kTileBytes) {
    // Loading a tile waits for all of its lines; those of the next step come meanwhile (docs/log.md).
    for (int64_t line = 0; line < 2 * kTileBytes; line += 64) __builtin_prefetch(right + 2 * kTileBytes + line);
    _tile_loadd(4, left, block.stride);
    _tile_loadd(6, right, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, right + kTileBytes, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, left + block.below, block.stride);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, sums, kStride);
  _tile_stored(1, sums + kTileVectors, kStride);
  _tile_stored(2, below, kStride);
  _tile_stored(3, below + kTileVectors, kStride);
}

TACIT_AMX void finish_block(const BlockEnd& end) {
  alignas(64) float turned[kBlock * kBlock];
  const float* sums = end.sums;
  int64_t rows = end.left, columns = end.right;
  if (end.rows == Side::right) {
    std::swap(rows, columns);
    for (int64_t i = 0; i < kBlock; i += kTileVectors) {
      for (int64_t j = 0; j < kBlock; j += kTileVectors) {
        __m512i tile[16];
        for (int64_t k = 0; k < 16; ++k) tile[k] = _mm512_load_si512(sums + (i + k) * kBlock + j);
        transpose(tile);
        for (int64_t k = 0; k < 16; ++k) _mm512_store_si512(turned + (j + k) * kBlock + i, tile[k]);
      }
    }
    sums = turned;
  }
  const __mmask32 mask = first_bits(columns);
  __m512 bias[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  if (end.bias) widen(_mm512_maskz_loadu_epi16(mask, end.bias), bias);
  for (int64_t r = 0; r < rows; ++r) {
    Bf16* y = end.y + r * end.y_stride;
    __m512 low = _mm512_add_ps(_mm512_load_ps(sums + r * kBlock), bias[0]);
    __m512 high = _mm512_add_ps(_mm512_load_ps(sums + r * kBlock + 16), bias[1]);
    if (end.add) {
      __m512 before[2];
      widen(_mm512_maskz_loadu_epi16(mask, y), before);
      low = _mm512_add_ps(low, before[0]);
      high = _mm512_add_ps(high, before[1]);
    }
    _mm512_mask_storeu_epi16(y, mask, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
  }
}

}  // namespace tacit

#else

namespace tacit {

bool has_tiles() { return false; }
TileSetup::TileSetup() {}
TileSetup::~TileSetup() {}
void pack_block(Side, const Bf16Vectors&, int64_t, int64_t, int64_t, char*) { fail("gemm", "no tiles"); }
void multiply_blocks(const LeftBlock&, const char*, int64_t, bool, float*) { fail("gemm", "no tiles"); }
void finish_block(const BlockEnd&) { fail("gemm", "no tiles"); }

}  // namespace tacit

#endif
