#pragma once

#include <string>
#include <vector>

#include "decoding/readout.h"

namespace tacit {

// What the vocabulary says where a thought is taken.
struct ThoughtReadout {
  double entropy = 0;           // nats
  std::vector<TokenShare> top;  // most likely first, the lowest id among equals
};
ThoughtReadout read_logits(const at::Tensor& logits_V, int64_t top);

// A token's text on one line: control characters as \n, \t or \xNN.
std::string printable(const std::string& token);

// The same of a text of several lines, line by line.
std::vector<std::string> printable_lines(const std::string& text);

}  // namespace tacit
