#pragma once

#include <cuda_bf16.h>

#include <cmath>
#include <cstdint>

// The machine, as the device code in this folder sees it. Nothing else there names a CUDA intrinsic, so that
// tests/support/emulated_device.h can put a machine of its own in this one's place and run the same code on the CPU.
#define TACIT_DEVICE __device__ __forceinline__
#define TACIT_BOTH __host__ __device__ __forceinline__  // layouts and shares, which the host computes as well
#define TACIT_UNROLL _Pragma("unroll")
#define TACIT_LOOP _Pragma("unroll 1")  // as it stands: code that runs once a phase must fit the caches

namespace tacit::device {

inline constexpr int kLanes = 32;

TACIT_DEVICE int thread() { return static_cast<int>(threadIdx.x); }
TACIT_DEVICE int block() { return static_cast<int>(blockIdx.x); }
TACIT_DEVICE int blocks() { return static_cast<int>(gridDim.x); }
TACIT_DEVICE void sync_block() { __syncthreads(); }
TACIT_DEVICE float shuffle_xor(float value, int mask) { return __shfl_xor_sync(0xffffffffu, value, mask); }
TACIT_DEVICE float* shared_memory() {
  extern __shared__ float4 tacit_shared[];
  return reinterpret_cast<float*>(tacit_shared);
}

struct alignas(16) Words4 {
  uint32_t word[4];
};
struct alignas(8) Words2 {
  uint32_t word[2];
};
struct alignas(16) Float4 {
  float value[4];
};

// Constant for as long as the kernel runs and read once: past the first-level cache. Volatile: it is issued where it
// stands, before a wait, too.
TACIT_DEVICE Words4 load_constant(const void* address) {
  Words4 out;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(out.word[0]), "=r"(out.word[1]), "=r"(out.word[2]), "=r"(out.word[3])
               : "l"(address));
  return out;
}
TACIT_DEVICE Words2 load_constant_half(const void* address) {
  Words2 out;
  asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0, %1}, [%2];"
               : "=r"(out.word[0]), "=r"(out.word[1])
               : "l"(address));
  return out;
}
// May have been written by another block: from the second-level cache, the only one shared.
TACIT_DEVICE Words4 load_written(const void* address) {
  const uint4 out = __ldcg(static_cast<const uint4*>(address));
  return {{out.x, out.y, out.z, out.w}};
}
TACIT_DEVICE float load_written(const float* address) { return __ldcg(address); }
TACIT_DEVICE uint16_t load_written(const uint16_t* address) { return __ldcg(address); }

TACIT_DEVICE void prefetch(const void* address) { asm volatile("prefetch.global.L2 [%0];" ::"l"(address)); }

TACIT_DEVICE float as_float(uint32_t bits) { return __uint_as_float(bits); }
TACIT_DEVICE uint32_t as_bits(float value) { return __float_as_uint(value); }
TACIT_DEVICE uint16_t round_to_bf16(float value) { return __bfloat16_as_ushort(__float2bfloat16_rn(value)); }
TACIT_DEVICE float reciprocal_root(float value) { return 1.0f / sqrtf(value); }
TACIT_DEVICE float infinity() { return __int_as_float(0x7f800000); }

// A number that says by itself whether it is there: its two words travel as one of 64 bits, so that whoever sees the
// tag sees the value, without a barrier or fence between blocks.
struct alignas(8) Tagged {
  float value;
  uint32_t tag;
};
struct alignas(16) TaggedPair {
  Tagged first, second;
};
TACIT_DEVICE Tagged tagged_of(uint64_t word) {
  return {__uint_as_float(static_cast<uint32_t>(word)), static_cast<uint32_t>(word >> 32)};
}
TACIT_DEVICE uint64_t word_of(float value, uint32_t tag) {
  return static_cast<uint64_t>(tag) << 32 | __float_as_uint(value);
}
TACIT_DEVICE Tagged load_tagged(const Tagged* address) {
  uint64_t word;
  asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(word) : "l"(address));
  return tagged_of(word);
}
TACIT_DEVICE TaggedPair load_tagged(const TaggedPair* address) {
  uint64_t first, second;
  asm volatile("ld.relaxed.gpu.global.v2.u64 {%0, %1}, [%2];" : "=l"(first), "=l"(second) : "l"(address));
  return {tagged_of(first), tagged_of(second)};
}
TACIT_DEVICE void store_tagged(Tagged* address, float value, uint32_t tag) {
  asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(address), "l"(word_of(value, tag)) : "memory");
}
TACIT_DEVICE void store_tagged(TaggedPair* address, float first, float second, uint32_t tag) {
  asm volatile("st.relaxed.gpu.global.v2.u64 [%0], {%1, %2};" ::"l"(address), "l"(word_of(first, tag)),
               "l"(word_of(second, tag))
               : "memory");
}
// Until something may have this tag; the caller looks again.
TACIT_DEVICE void wait_for(const void*, uint32_t) {}
// What this block wrote before its last sync_block() is seen by the block of a thread that sees what this thread writes
// behind the call and makes it, too.
TACIT_DEVICE void flush_stores() { __threadfence(); }

}  // namespace tacit::device
