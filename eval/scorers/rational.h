#pragma once

#include <boost/multiprecision/cpp_int.hpp>
#include <cstddef>

namespace tacit {

using Rational = boost::multiprecision::cpp_rational;
using Integer = boost::multiprecision::cpp_int;

constexpr size_t kMostDigits = 1000;  // of a number that is read from a text

}  // namespace tacit
