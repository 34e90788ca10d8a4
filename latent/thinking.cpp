#include "latent/thinking.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>

#include "lib/core/error.h"

namespace tacit {

// `by`: the feedback whose they are; "" = none's.
static at::Tensor as_inputs(const at::Tensor& x, const Transformer& model, std::string_view operation,
                            const std::string& by = "") {
  if (!at::isFloatingType(x.scalar_type()) || x.device() != model.device())
    fail(operation, "expected floating-point vectors", by.empty() ? "" : " of feedback '" + by + "'", " on ",
         model.device(), " but got ", x.scalar_type(), " on ", x.device());
  return x.to(model.dtype());
}

// Whether no exponent has all of its bits.
template <class Bits>
static bool all_finite(const at::Tensor& x, Bits exponent) {
  const Bits* const bits = static_cast<const Bits*>(x.const_data_ptr());
  bool strange = false;
  for (int64_t i = 0; i < x.numel(); ++i) strange |= (bits[i] & exponent) == exponent;
  return !strange;
}

// LibTorch's three calls would take a third of a small model's thought.
static bool all_finite(const at::Tensor& x) {
  const bool plain = x.is_cpu() && x.is_contiguous();
  if (plain && x.scalar_type() == at::kFloat) return all_finite<uint32_t>(x, 0x7f800000);
  if (plain && x.scalar_type() == at::kBFloat16) return all_finite<uint16_t>(x, 0x7f80);
  return at::isfinite(x).all().item<bool>();
}

// Row and thought of what is not a number. Elsewhere than on the CPU only where the halting rule looks at the rows
// anyhow: asking waits for the device.
static void require_finite(const NextStep& step, std::span<const int64_t> active, const Feedback& feedback,
                           const Halt& halt, const StepState& state) {
  const at::Tensor& x_BD = step.input.input_BD;
  if ((!x_BD.is_cpu() && halt::ends_after(halt)) || all_finite(x_BD)) return;
  for (int64_t b = 0; b < state.rows(); ++b) {
    const bool consumed = step.stop[b] == 0 && (active.empty() || active[b] != 0);
    if (!consumed || all_finite(x_BD[b])) continue;
    const at::Tensor strange = x_BD[b].masked_select(at::isfinite(x_BD[b]).logical_not());
    fail("think", "expected feedback '", feedback.name, "' to propose finite vectors but got ",
         strange[0].item<double>(), " for row ", b, " (id ", state.id(b), "), thought ", state.step() + 1);
  }
}

// Shapes are told where they are wrong: to make the words of every call would take as long as a small norm.
static std::string shape_of(const at::Tensor& x) { return x.defined() ? shape_text(x.sizes()) : "none"; }

at::Tensor require_inputs(const at::Tensor& x_BTD, const Transformer& model, int64_t rows, int64_t positions,
                          std::string_view operation) {
  const int64_t size = model.config().hidden_size;
  if (!x_BTD.defined() || x_BTD.sizes() != at::IntArrayRef({rows, positions, size}))
    fail(operation, "expected vectors of shape [", rows, ", ", positions, ", ", size, "] but got ", shape_of(x_BTD));
  return as_inputs(x_BTD, model, operation);
}

NextInput proposed(const Feedback& feedback, const StepState& state) {
  require(feedback.next != nullptr, "think", "expected a feedback but '", feedback.name, "' has no function");
  const int64_t rows = state.rows(), size = state.model().config().hidden_size;
  NextInput out = feedback.next(state);
  at::Tensor& x_BD = out.input_BD;
  if (!x_BD.defined() || x_BD.sizes() != at::IntArrayRef({rows, size}))
    fail("think", "expected feedback '", feedback.name, "' to propose vectors [", rows, ", ", size, "] but got ",
         shape_of(x_BD));
  x_BD = as_inputs(x_BD, state.model(), "think", feedback.name);
  require(out.tokens.empty() || std::ssize(out.tokens) == rows, "think", "expected feedback '", feedback.name,
          "' to propose a token for each of ", rows, " rows, or none, but got ", out.tokens.size());
  const int64_t words = state.model().config().vocab_size;
  for (const int64_t token : out.tokens) {
    require(token >= 0 && token < words, "think", "expected feedback '", feedback.name, "' to propose tokens of 0 to ",
            words - 1, " but got ", token);
  }
  return out;
}

std::vector<char> stopped(const Halt& halt, const StepState& state, const NextInput& proposal) {
  require(halt.stop != nullptr, "think", "expected a halting rule but '", halt.name, "' has no function");
  std::vector<char> out = halt.stop(state, proposal);
  require(std::ssize(out) == state.rows(), "think", "expected halting rule '", halt.name, "' to answer for each of ",
          state.rows(), " rows but got ", out.size(), " flags");
  return out;
}

NextStep next_step(const StepState& state, const Feedback& feedback, const Halt& halt,
                   std::span<const int64_t> active) {
  NextStep out{.input = proposed(feedback, state), .stop = {}};
  out.stop = stopped(halt, state, out.input);
  require_finite(out, active, feedback, halt, state);
  return out;
}

void require_all_or_none(const Feedback& feedback, int64_t tokens, int64_t thoughts, const NextInput& proposal) {
  require(thoughts == 0 || (tokens > 0) == !proposal.tokens.empty(), "think", "expected feedback '", feedback.name,
          "' to propose tokens for every thought, or for none, but got ", tokens > 0 ? "none" : "some", " for thought ",
          thoughts + 1);
}

Thoughts think_loop(const ThinkingRows& rows, const ThinkOptions& options) {
  const at::NoGradGuard no_grad;
  require(options.max_steps >= 0, "think", "expected max_steps of at least 0 but got ", options.max_steps);
  const int64_t count = std::ssize(rows.notes);
  Thoughts out{
      std::vector<int64_t>(count, 0), std::vector<std::vector<int64_t>>(count), std::vector<char>(count, 0), {}};
  std::vector<int64_t> active(count, 1);
  std::vector<at::Tensor> trace;
  std::vector<RowNotes> scratch(count);  // what rules write about rows that have stopped
  for (int64_t step = 0; step < options.max_steps; ++step) {
    StepRows where = rows.where();
    where.ids = rows.ids;
    for (int64_t b = 0; b < count; ++b) {
      if (!active[b]) scratch[b] = rows.notes[b];
      where.notes.push_back(active[b] ? &rows.notes[b] : &scratch[b]);
    }
    const StepState state(rows.model, std::move(where), step, rows.fused);
    const auto [proposal, stop] = next_step(state, options.feedback, options.halt, active);
    for (int64_t b = 0; b < count; ++b) {
      if (active[b] && stop[b]) out.halted[b] = 1, active[b] = 0;
    }
    if (std::none_of(active.begin(), active.end(), [](int64_t a) { return a != 0; })) break;
    if (options.keep_trace) {
      const at::Tensor kept_B1 = at::tensor(active, at::kLong).to(rows.model.device()).unsqueeze(1) > 0;
      trace.push_back(at::where(kept_B1, proposal.input_BD, at::zeros_like(proposal.input_BD)));
    }
    for (int64_t b = 0; b < count; ++b) {
      if (active[b]) require_all_or_none(options.feedback, std::ssize(out.tokens[b]), out.steps[b], proposal);
    }
    rows.consume(proposal.input_BD, active);
    for (int64_t b = 0; b < count; ++b) {
      if (!active[b]) continue;
      ++out.steps[b];
      ++rows.notes[b].thoughts;
      if (!proposal.tokens.empty()) out.tokens[b].push_back(proposal.tokens[b]);
    }
  }
  if (options.keep_trace) {
    const at::TensorOptions like = at::TensorOptions().dtype(rows.model.dtype()).device(rows.model.device());
    out.trace_BKD = trace.empty() ? at::zeros({count, 0, rows.model.config().hidden_size}, like) : at::stack(trace, 1);
  }
  return out;
}

void require_recurrences(const ModelConfig& config, int64_t recurrences, std::string_view operation) {
  require(recurrences >= 0 && (recurrences == 0 || config.depth.recurrent), operation,
          "expected no number of recurrences for a model without recurrent depth but got ", recurrences);
  require(recurrences <= kMostRecurrences, operation, "expected at most ", kMostRecurrences, " recurrences but got ",
          recurrences);
}

void require_exit(const ModelConfig& config, const DepthExit& exit, std::string_view operation) {
  const bool grid = config.nested.high_cycles > 0;
  require(exit.kl >= 0 && (exit.kl == 0 || (config.depth.recurrent && !grid)), operation,
          "expected no exit by divergence for a model ",
          grid ? "that reads its input at once" : "without recurrent depth", " but got one at ", exit.kl);
  require(exit.threshold <= 1 && (exit.threshold < 0 || (config.depth.exit_gate && !grid)), operation,
          "expected an exit threshold of at most 1 beside an exit gate, and none without, but got ", exit.threshold);
}

}  // namespace tacit
