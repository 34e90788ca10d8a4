#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

namespace tacit {

using Bf16 = uint16_t;  // the bits; fp32's upper half

[[gnu::always_inline]] inline float widen(float value) { return value; }
[[gnu::always_inline]] inline float widen(Bf16 bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

// To nearest, ties to even.
template <class T>
[[gnu::always_inline]] inline T narrow(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    const auto bits = std::bit_cast<uint32_t>(value);
    const auto rounded = static_cast<Bf16>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    return value == value ? rounded : Bf16{0x7fc0};
  }
}

}  // namespace tacit
