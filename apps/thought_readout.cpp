#include "apps/thought_readout.h"

#include <algorithm>
#include <cstdio>

#include "eval/probe/lens.h"
#include "lib/core/error.h"

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
  for (const char byte : token) {
    const auto code = static_cast<unsigned char>(byte);
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

}  // namespace tacit
