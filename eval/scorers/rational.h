#pragma once

#include <boost/multiprecision/cpp_int.hpp>

namespace tacit {

using Rational = boost::multiprecision::cpp_rational;
using Integer = boost::multiprecision::cpp_int;

}  // namespace tacit
