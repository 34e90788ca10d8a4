#include "lib/core/error.h"
#include "lib/kernels/decode_attention/decode_attention.h"

namespace tacit {

void decode_attention_cuda(const DecodeAttentionArgs&, void*) { fail("decode_attention", "this build has no CUDA"); }

}  // namespace tacit
