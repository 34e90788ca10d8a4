#pragma once

// Included behind intrinsics.cuh or its emulation. Elements of either scalar, eight at a time.
namespace tacit::device {

inline constexpr int kEight = 8;

struct Bf16 {
  uint16_t bits;
};

// Of weights alone.
struct Int8 {
  int8_t value;
};

TACIT_DEVICE float widen(float value) { return value; }
TACIT_DEVICE float widen(Bf16 value) { return as_float(static_cast<uint32_t>(value.bits) << 16); }

template <class T>
TACIT_DEVICE T narrow(float value);
template <>
TACIT_DEVICE float narrow<float>(float value) {
  return value;
}
template <>
TACIT_DEVICE Bf16 narrow<Bf16>(float value) {
  return {round_to_bf16(value)};
}
template <class T>
TACIT_DEVICE float rounded(float value) {
  return widen(narrow<T>(value));
}

// Eight neighbours as they lie in memory.
template <class T>
struct Eight;
template <>
struct Eight<float> {
  Words4 half[2];
  TACIT_DEVICE float operator[](int i) const { return as_float(half[i / 4].word[i % 4]); }
  TACIT_DEVICE void set(int i, float value) { half[i / 4].word[i % 4] = as_bits(value); }
};
template <>
struct Eight<Bf16> {
  Words4 half[1];
  TACIT_DEVICE float operator[](int i) const {
    const uint32_t pair = half[0].word[i / 2];
    return as_float(i % 2 == 0 ? pair << 16 : pair & 0xffff0000u);
  }
  TACIT_DEVICE void set(int i, float value) {
    const uint32_t bits = round_to_bf16(value);
    uint32_t& pair = half[0].word[i / 2];
    pair = i % 2 == 0 ? (pair & 0xffff0000u) | bits : (pair & 0xffffu) | bits << 16;
  }
};

template <>
struct Eight<Int8> {
  Words2 half[1];
  // A byte u = q + 128 in the last place of 2^23: no instruction that converts, of which there are a quarter as many.
  TACIT_DEVICE float operator[](int i) const {
    const uint32_t biased = half[0].word[i / 4] ^ 0x80808080u;
    return as_float(0x4b000000u | (biased >> (8 * (i % 4)) & 0xffu)) - 8388736.0f;
  }
  TACIT_DEVICE void set(int i, float value) {
    const uint32_t bits = static_cast<uint8_t>(static_cast<int8_t>(value));
    uint32_t& four = half[0].word[i / 4];
    four = (four & ~(0xffu << (8 * (i % 4)))) | bits << (8 * (i % 4));
  }
};

template <class T>
TACIT_DEVICE Eight<T> zeros() {
  Eight<T> out;
  for (auto& half : out.half) half = {};
  return out;
}

enum class Source { constant, written };  // load_constant() or load_written()

TACIT_DEVICE float load_one(const float* address) { return load_written(address); }
TACIT_DEVICE float load_one(const Int8* address) { return static_cast<float>(address->value); }
TACIT_DEVICE float load_one(const Bf16* address) {
  return widen(Bf16{load_written(reinterpret_cast<const uint16_t*>(address))});
}

// Elements first .. first + 7 of `count`, zeros past the end. With kVector, count is a multiple of 8 and the array lies
// on a 16-byte boundary.
template <Source kSource, bool kVector, class T>
TACIT_DEVICE Eight<T> load_eight(const T* array, int64_t first, int64_t count) {
  Eight<T> out = zeros<T>();
  if constexpr (kVector) {
    if (first >= count) return out;
    if constexpr (sizeof(T) == 1) {
      static_assert(kSource == Source::constant);
      out.half[0] = load_constant_half(array + first);
    } else {
      const Words4* from = reinterpret_cast<const Words4*>(array + first);
      for (int i = 0; i < static_cast<int>(sizeof(out) / sizeof(Words4)); ++i)
        out.half[i] = kSource == Source::constant ? load_constant(from + i) : load_written(from + i);
    }
  } else {
    for (int i = 0; i < kEight; ++i) {
      if (first + i < count) out.set(i, load_one(array + first + i));
    }
  }
  return out;
}

// Parts 0 .. parts - 1 of `total` things, as even as can be.
struct Share {
  int64_t begin, end;
  TACIT_BOTH int64_t size() const { return end - begin; }
};
TACIT_BOTH Share share(int64_t total, int64_t part, int64_t parts) {
  return {total * part / parts, total * (part + 1) / parts};
}
TACIT_BOTH int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
TACIT_BOTH int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }

}  // namespace tacit::device
