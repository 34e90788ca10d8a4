#include <algorithm>
#include <atomic>
#include <limits>
#include <utility>
#include <vector>

#include "lib/core/error.h"
#include "lib/kernels/cpu_rows.h"
#include "lib/kernels/prompt_attention/prompt_attention.h"
#include "lib/kernels/prompt_attention/query_block.h"
#include "lib/kernels/require_arrays.h"
#include "lib/kernels/team.h"

namespace tacit {
namespace {

constexpr int64_t kQueriesATask = 128;               // whose keys and values are widened once
constexpr int64_t kWorthTheTeam = int64_t{1} << 20;  // multiply-adds; below, waking a thread costs more than the work

class Attention {
 public:
  explicit Attention(const PromptAttentionArgs& args)
      : a_(args), kernel_(attend_queries()), bytes_(args.scalar == Scalar::fp32 ? 4 : 2) {}

  void run() {
    int64_t work = 0;
    for (int64_t i = 0; i < a_.rows * a_.queries; ++i) {
      work += a_.seen_BT[i] * a_.heads * (a_.key_size + a_.value_size);
      most_seen_ = std::max(most_seen_, a_.seen_BT[i]);
    }
    const int64_t parts = (a_.queries + kQueriesATask - 1) / kQueriesATask;
    // Later queries see more: the longest tasks come first, and who is free takes the next.
    std::atomic<int64_t> next = 0;
    run_team(work < kWorthTheTeam, [&](Team&) {
      const int64_t tasks = a_.rows * a_.heads * parts;
      for (int64_t task = next++; task < tasks; task = next++) {
        const int64_t head = task % (a_.rows * a_.heads), part = parts - 1 - task / (a_.rows * a_.heads);
        attend(head / a_.heads, head % a_.heads, part * kQueriesATask,
               std::min((part + 1) * kQueriesATask, a_.queries));
      }
    });
  }

 private:
  const char* at(const void* base, const PromptAttentionArgs::Strides& strides, int64_t row, int64_t head,
                 int64_t column = 0) const {
    return static_cast<const char*>(base) +
           (row * strides.row + head * strides.head + column * strides.column) * bytes_;
  }

  // Columns 0 .. count - 1 in fp32, and the numbers between them: where they lie, or widened to `room`.
  std::pair<const float*, int64_t> widened(const char* from, int64_t stride, int64_t count, int64_t size,
                                           float* room) const {
    if (a_.scalar == Scalar::fp32) return {reinterpret_cast<const float*>(from), stride};
    for (int64_t s = 0; s < count; ++s) widen_row(a_.scalar, size, from + s * stride * bytes_, room + s * size);
    return {room, size};
  }

  // Queries first .. last - 1 of a row and head.
  void attend(int64_t row, int64_t head, int64_t first, int64_t last) {
    const int64_t Q = kernel_.queries, E = a_.key_size, V = a_.value_size, group = head / (a_.heads / a_.kv_heads);
    const int64_t* seen = a_.seen_BT + row * a_.queries;
    const int64_t columns = *std::max_element(seen + first, seen + last);
    const int64_t wide = a_.scalar == Scalar::fp32 ? 0 : most_seen_;
    thread_local std::vector<float> space;
    const auto size = static_cast<size_t>(wide * (E + V) + (E + most_seen_ + V + 1) * Q + std::max(E, V));
    if (space.size() < size) space.resize(size);
    float *keys = space.data(), *values = keys + wide * E, *q_EQ = values + wide * V, *scores = q_EQ + E * Q;
    float *y_EQ = scores + most_seen_ * Q, *factor = y_EQ + V * Q, *one = factor + Q;
    int32_t seen_Q[kMostQueries];
    const auto [k, key_stride] = widened(at(a_.k_BGSE, a_.k, row, group), a_.k.column, columns, E, keys);
    const auto [v, value_stride] = widened(at(a_.v_BGSE, a_.v, row, group), a_.v.column, columns, V, values);
    for (int64_t t = first; t < last; t += Q) {
      const int64_t count = std::min(Q, last - t);
      int64_t most = 0;
      for (int64_t j = 0; j < Q; ++j) {  // lanes without a query see nothing
        seen_Q[j] = j < count ? static_cast<int32_t>(seen[t + j]) : 0;
        most = std::max<int64_t>(most, seen_Q[j]);
        if (j < count) {
          widen_row(a_.scalar, E, at(a_.q_BHTE, a_.q, row, head, t + j), one);
        } else {
          std::fill_n(one, E, 0.0f);
        }
        for (int64_t e = 0; e < E; ++e) q_EQ[e * Q + j] = one[e] * a_.scale;
      }
      kernel_.attend({.key_size = E,
                      .value_size = V,
                      .k_SE = k,
                      .v_SE = v,
                      .key_stride = key_stride,
                      .value_stride = value_stride,
                      .most_seen = most,
                      .seen_Q = seen_Q,
                      .q_EQ = q_EQ,
                      .scores_SQ = scores,
                      .factor_Q = factor,
                      .y_EQ = y_EQ});
      for (int64_t j = 0; j < count; ++j) {
        for (int64_t e = 0; e < V; ++e) one[e] = y_EQ[e * Q + j] * factor[j];
        narrow_row(a_.scalar, V, one,
                   static_cast<char*>(a_.y_BTHE) + ((row * a_.queries + t + j) * a_.heads + head) * V * bytes_);
      }
    }
  }

  const PromptAttentionArgs& a_;
  AttendQueries kernel_;
  int64_t bytes_, most_seen_ = 0;
};

}  // namespace

bool prompt_attention_is_faster(int64_t queries) {
  constexpr int64_t kFewest = 8;  // half of those that stand in vectors together
  return queries >= kFewest && cpu_vectors() == CpuVectors::avx2;
}

void prompt_attention(const PromptAttentionArgs& args) {
  require(args.rows >= 0 && args.heads >= 1 && args.kv_heads >= 1 && args.heads % args.kv_heads == 0,
          "prompt_attention",
          "expected at least 0 rows and a number of heads that is a multiple of that of key/value heads but got ",
          args.rows, " rows, ", args.heads, " and ", args.kv_heads, " heads");
  require(args.queries >= 0 && args.key_size >= 1 && args.value_size >= 1, "prompt_attention",
          "expected at least 0 queries and sizes of at least 1 but got ", args.queries, ", ", args.key_size, " and ",
          args.value_size);
  if (args.rows == 0 || args.queries == 0) return;
  require_arrays("prompt_attention", {{"q_BHTE", args.q_BHTE},
                                      {"k_BGSE", args.k_BGSE},
                                      {"v_BGSE", args.v_BGSE},
                                      {"seen_BT", args.seen_BT},
                                      {"y_BTHE", args.y_BTHE}});
  for (int64_t i = 0; i < args.rows * args.queries; ++i) {
    require(args.seen_BT[i] >= 0 && args.seen_BT[i] <= std::numeric_limits<int32_t>::max(), "prompt_attention",
            "expected queries that see 0 to 2^31 - 1 columns but got ", args.seen_BT[i]);
  }
  Attention(args).run();
}

}  // namespace tacit
