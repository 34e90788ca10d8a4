#include <algorithm>
#include <cstring>
#include <vector>

#include "lib/core/error.h"
#include "lib/kernels/bf16.h"
#include "lib/kernels/cpu_rows.h"
#include "lib/kernels/packed_linear/packed_linear.h"
#include "lib/kernels/packed_linear/packed_panels.h"
#include "lib/kernels/team.h"

namespace tacit {
namespace {

constexpr int64_t kRowsTogether = 64;                // as many sums as stay in the first cache
constexpr int64_t kWorthTheTeam = int64_t{1} << 20;  // multiply-adds; below, waking a thread costs more than the work

int64_t scalar_bytes(Scalar scalar) { return scalar == Scalar::fp32 ? 4 : 2; }

// Outputs first .. last - 1 of one panel, as T lie in the matrix, to where the panel has them.
template <class T>
void pack_panel(const PackLinearArgs& args, int64_t first, int64_t last, T* panel) {
  constexpr int64_t together = 4 / sizeof(T);  // in a word
  const T* weight = static_cast<const T*>(args.weight_OI);
  for (int64_t i = 0; i < args.inputs; ++i) {
    const T* from = weight + i * args.input_stride - args.first * args.output_stride;
    T* to = panel + i / together * kPanel * together + i % together;
    for (int64_t o = first; o < last; ++o) to[o % kPanel * together] = from[o * args.output_stride];
  }
}

template <class T>
void pack(const PackLinearArgs& args) {
  const int64_t end = args.first + args.outputs, panels = (end + kPanel - 1) / kPanel, before = args.first / kPanel;
  const int64_t bytes = panel_bytes(args.inputs, panel_kind(args.scalar, args.format));
  run_team(args.outputs * args.inputs < kWorthTheTeam, [&](Team& team) {
    const auto [first, last] = team.share(panels - before);
    for (int64_t p = before + first; p < before + last; ++p) {
      char* panel = static_cast<char*>(args.packed) + p * bytes;
      const int64_t o = std::max(args.first, p * kPanel), after = std::min(end, (p + 1) * kPanel);
      pack_panel(args, o, after, reinterpret_cast<T*>(panel));
      if constexpr (sizeof(T) == 1) {
        float* scales = reinterpret_cast<float*>(panel + panel_scales_at(args.inputs));
        std::copy(args.scale_O + o - args.first, args.scale_O + after - args.first, scales + o % kPanel);
      }
    }
  });
}

}  // namespace

void pack_linear(const PackLinearArgs& args) {
  require(args.outputs >= 0 && args.inputs >= 1 && args.first >= 0, "pack_linear",
          "expected at least 0 outputs, 1 input and a first output of 0 but got ", args.outputs, ", ", args.inputs,
          " and ", args.first);
  if (args.outputs == 0) return;
  require(args.weight_OI && args.packed, "pack_linear", "expected weight_OI and packed but one is null");
  require(reinterpret_cast<uintptr_t>(args.packed) % 64 == 0, "pack_linear",
          "expected packed to start at a multiple of 64 bytes");
  require((args.format == WeightFormat::int8) == (args.scale_O != nullptr), "pack_linear",
          "expected scale_O with weights in int8, and only there");
  switch (panel_kind(args.scalar, args.format)) {
    case PanelKind::fp32: return pack<float>(args);
    case PanelKind::bf16: return pack<Bf16>(args);
    case PanelKind::int8: return pack<int8_t>(args);
  }
}

void packed_linear_cpu(const PackedLinearArgs& args) {
  const PanelKind kind = panel_kind(args.scalar, args.format);
  const PanelProduct product = panel_product(kind);
  const int64_t M = args.rows, O = args.outputs, I = args.inputs, bytes = panel_bytes(I, kind);
  thread_local std::vector<float> widened;
  const float* x_MI = static_cast<const float*>(args.x_MI);
  if (args.activations == Scalar::bf16) {
    if (std::ssize(widened) < M * I) widened.resize(M * I);
    widen_row(args.activations, M * I, args.x_MI, widened.data());
    x_MI = widened.data();
  }
  run_team(M * O * I < kWorthTheTeam, [&](Team& team) {
    alignas(64) float sums[std::max(kRowsTogether, kPanelsTogether) * kPanel];
    const auto [first, last] = team.share((O + kPanel - 1) / kPanel);
    for (int64_t p = first; p < last;) {
      const int64_t panels = panels_together(M, last - p);
      const auto* weight = static_cast<const char*>(args.weight_OI) + p * bytes;
      for (int64_t m = 0; m < M; m += kRowsTogether) {
        const int64_t rows = std::min(kRowsTogether, M - m);
        product({.weight = weight,
                 .inputs = I,
                 .rows = rows,
                 .panels = panels,
                 .x = x_MI + m * I,
                 .x_stride = I,
                 .y = sums});
        for (int64_t i = 0; i < panels * rows; ++i) {
          const int64_t o = (p + i / rows) * kPanel, count = std::min(kPanel, O - o), r = i % rows;
          float* row = sums + i * kPanel;
          if (args.bias_O)
            add_row(args.scalar, count, static_cast<const char*>(args.bias_O) + o * scalar_bytes(args.scalar), row);
          narrow_row(args.activations, count, row,
                     static_cast<char*>(args.y_MO) + ((m + r) * O + o) * scalar_bytes(args.activations));
        }
      }
      p += panels;
    }
  });
}

}  // namespace tacit
