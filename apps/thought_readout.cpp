#include "apps/thought_readout.h"

#include <algorithm>
#include <cstdio>

#include "eval/probe/lens.h"
#include "lib/core/error.h"
#include "lib/core/split.h"

namespace tacit {

ThoughtReadout read_logits(const at::Tensor& logits_V, int64_t top) {
  const at::Tensor share_V = logits_V.to(at::kCPU, at::kDouble).softmax(0);
  require(!share_V.isnan().any().item<bool>(), "readout", "expected finite thoughts but got NaN among the logits");
  ThoughtReadout out;
  out.entropy = probe::readout_entropy(logits_V);
  const auto [sorted_V, order_V] = share_V.sort(/*stable=*/true, /*dim=*/0, /*descending=*/true);
  for (int64_t i = 0; i < std::min(top, share_V.numel()); ++i)
    out.top.push_back({order_V[i].item<int64_t>(), sorted_V[i].item<double>()});
  return out;
}

std::string printable(const std::string& token) {
  std::string out;
  for (size_t i = 0; i < token.size(); ++i) {
    const char byte = token[i];
    const auto code = static_cast<unsigned char>(byte);
    const auto next = static_cast<unsigned char>(i + 1 < token.size() ? token[i + 1] : 0);
    if (code == 0xC2 && next >= 0x80 && next < 0xA0) {  // C1: terminals take them for escapes
      char text[8];
      std::snprintf(text, sizeof text, "\\u%04X", next);
      out += text;
      ++i;
      continue;
    }
    if (code >= 0x20 && code != 0x7F) {
      out += byte;
    } else if (byte == '\n' || byte == '\t') {
      out += byte == '\n' ? "\\n" : "\\t";
    } else {
      char text[8];
      std::snprintf(text, sizeof text, "\\x%02X", code);
      out += text;
    }
  }
  return out;
}

std::vector<std::string> printable_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (const std::string& line : split(text, '\n')) lines.push_back(printable(line));
  return lines;
}

}  // namespace tacit
