#include "lib/kernels/decode_attention/decode_attention.h"

#include <cmath>

#include "lib/core/error.h"
#include "lib/kernels/decode_attention/decode_attention_backward.h"

namespace tacit {
namespace {

constexpr auto kName = "decode_attention";

// All but y_BHE, which the backward pass does not have.
void check(const DecodeAttentionArgs& a, bool on_host) {
  require(a.rows >= 0 && a.heads >= 1 && a.kv_heads >= 1 && a.heads % a.kv_heads == 0, kName,
          "expected at least 0 rows, and heads that kv_heads divides, but got ", a.rows, " rows, ", a.heads,
          " heads and ", a.kv_heads, " kv_heads");
  require(a.key_size >= 1 && a.value_size >= 1 && a.columns >= 1, kName,
          "expected key_size, value_size and columns of at least 1 but got ", a.key_size, ", ", a.value_size, " and ",
          a.columns);
  require(a.v_BGCE || a.value_size <= a.key_size, kName, "expected values within keys of size ", a.key_size,
          " but got value_size ", a.value_size);
  require(std::isfinite(a.scale), kName, "expected a finite scale but got ", a.scale);
  if (a.rows == 0) return;
  const char* missing = !a.q_BHE ? "q_BHE" : !a.k_BGCE ? "k_BGCE" : !a.stored_B ? "stored_B" : nullptr;
  require(!missing, kName, "expected q_BHE, k_BGCE and stored_B but ", missing ? missing : "", " is null");
  for (int64_t b = 0; on_host && b < a.rows; ++b) {
    require(a.stored_B[b] >= 0 && a.stored_B[b] <= a.columns, kName, "expected 0 to ", a.columns,
            " columns stored in row ", b, " but got ", a.stored_B[b]);
  }
}

}  // namespace

void decode_attention(const DecodeAttentionArgs& args, const Place& place) {
  check(args, place.device == DeviceKind::cpu);
  if (args.rows == 0) return;
  require(args.y_BHE, kName, "expected y_BHE but it is null");
  switch (place.device) {
    case DeviceKind::cpu: return decode_attention_cpu(args);
    case DeviceKind::cuda: return decode_attention_cuda(args, place.stream);
  }
}

void decode_attention_backward(const DecodeAttentionBackwardArgs& args) {
  const DecodeAttentionArgs& a = args.forward;
  check(a, /*on_host=*/true);
  if (a.rows == 0) return;
  require(a.v_BGCE && !a.shared, kName, "expected values of their own, by row, in the backward pass");
  require(args.dy_BHE && args.dq_BHE && args.dk_BGCE && args.dv_BGCE, kName,
          "expected dy_BHE, dq_BHE, dk_BGCE and dv_BGCE in the backward pass but one is null");
  decode_attention_backward_cpu(args);
}

}  // namespace tacit
