#pragma once

#include "lib/kernels/device/skinny_product.cuh"

// Numbers that other blocks write, received as soon as they are there.
namespace tacit::device {

// Neighbours in a row, read and written together.
template <int kWide>
struct alignas(sizeof(float) * kWide) Few {
  float value[kWide];
};

// So many tagged numbers, loaded together.
template <int kWide>
struct TaggedFew {
  TaggedPair pair[kWide / 2];
  TACIT_DEVICE void load(const Tagged* from) {
    TACIT_UNROLL
    for (int j = 0; j < kWide / 2; ++j) pair[j] = load_tagged(reinterpret_cast<const TaggedPair*>(from) + j);
  }
  TACIT_DEVICE const Tagged& operator[](int j) const { return j % 2 == 0 ? pair[j / 2].first : pair[j / 2].second; }
};
template <>
struct TaggedFew<1> {
  Tagged one;
  TACIT_DEVICE void load(const Tagged* from) { one = load_tagged(from); }
  TACIT_DEVICE const Tagged& operator[](int) const { return one; }
};

// use(i, few) for i = start, start + step .. of `count` tagged numbers, i and step being multiples of kWide, as soon as
// they are there; at most kMany are asked for at once. Tag 0 takes what is there.
template <int kWide, int kMany, class Use>
TACIT_DEVICE void receive_every(int start, int step, const Tagged* from, int count, uint32_t tag, const Use& use) {
  TACIT_LOOP
  for (int first = start; first < count; first += step * kMany) {
    TaggedFew<kWide> got[kMany];
    for (;;) {
      TACIT_UNROLL
      for (int n = 0; n < kMany; ++n) {
        if (first + n * step < count) got[n].load(from + first + n * step);
      }
      const Tagged* missing = nullptr;
      TACIT_UNROLL
      for (int n = 0; n < kMany; ++n) {
        TACIT_UNROLL
        for (int j = 0; j < kWide; ++j) {
          if (first + n * step < count && got[n][j].tag != tag) missing = from + first + n * step + j;
        }
      }
      if (!missing || tag == 0) break;
      wait_for(missing, tag);
    }
    TACIT_UNROLL
    for (int n = 0; n < kMany; ++n) {
      if (first + n * step >= count) continue;
      Few<kWide> few;
      TACIT_UNROLL
      for (int j = 0; j < kWide; ++j) few.value[j] = got[n][j].value;
      use(first + n * step, few);
    }
  }
}
// By the whole block.
template <int kWide, int kMany, class Use>
TACIT_DEVICE void receive(const Tagged* from, int count, uint32_t tag, const Use& use) {
  receive_every<kWide, kMany / kWide>(thread() * kWide, kThreads * kWide, from, count, tag, use);
}

}  // namespace tacit::device
