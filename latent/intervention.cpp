#include "latent/intervention.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>

#include "latent/thinking.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

constexpr uint32_t kDraws = 0x696e'7476;  // "intv": apart from what feedbacks draw of the same seed
constexpr const char* kOwn = "intervention.frozen";

struct KindName {
  InterventionKind kind;
  const char* name;
  const char* value;  // what stands behind the colon; "" = nothing
};
constexpr KindName kKinds[] = {
    {InterventionKind::zero, "zero", ""},       {InterventionKind::mean, "mean", ""},
    {InterventionKind::noise, "noise", ""},     {InterventionKind::swap, "swap", ""},
    {InterventionKind::permute, "permute", ""}, {InterventionKind::truncate, "truncate", "K"},
    {InterventionKind::freeze, "freeze", "K"},  {InterventionKind::perturb, "perturb", "SIZE"},
};

const KindName& name_of(InterventionKind kind) {
  return *std::ranges::find_if(kKinds, [kind](const KindName& k) { return k.kind == kind; });
}

template <class Number>
std::optional<Number> number(const std::string& text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

at::Tensor gaussian_like(const at::Tensor& x_D, Rng rng) {
  at::Tensor out_D = at::empty({x_D.numel()}, at::kFloat);
  float* values = out_D.mutable_data_ptr<float>();
  for (int64_t d = 0; d < out_D.numel(); ++d) values[d] = static_cast<float>(rng.normal());
  return out_D.to(x_D.device());
}

// What replaces a problem's vector `own_D` as its thought number `k` from 0, for the kinds that need no notes.
class Replacement {
 public:
  Replacement(const Intervention& what, std::shared_ptr<const ThoughtBank> bank) : what_(what), bank_(std::move(bank)) {
    if (!needs_bank(what_)) return;
    require(bank_ && !bank_->thoughts_KD.empty(), "intervene", "expected the clean thoughts of all problems for '",
            to_text(what_), "' but got none");
    std::vector<int64_t> counts;
    for (const at::Tensor& thoughts_KD : bank_->thoughts_KD) counts.push_back(thoughts_KD.size(0));
    if (what_.kind == InterventionKind::swap) source_ = swap_partners(counts, what_.seed);
    if (what_.kind == InterventionKind::mean) average(counts);
    if (what_.kind != InterventionKind::permute) return;
    for (size_t i = 0; i < counts.size(); ++i) {
      source_.push_back(static_cast<int64_t>(i));
      order_.push_back(order_of(counts[i], static_cast<int64_t>(i)));
    }
  }

  bool feeds_bank() const { return !source_.empty(); }
  // Thoughts that are fed to this problem, where they come from the bank.
  int64_t count(int64_t id) const { return thoughts(id).size(0); }

  // Token of the bank's thought that is fed; empty where it is none.
  std::optional<int64_t> token(int64_t id, int64_t k) const {
    const auto& tokens = bank_->tokens.at(source_[checked(id)]);
    if (k >= count(id) || tokens.empty()) return {};
    return tokens.at(place(id, k));
  }

  at::Tensor operator()(const at::Tensor& own_D, int64_t id, int64_t k) const {
    switch (what_.kind) {
      case InterventionKind::zero: return at::zeros_like(own_D);
      case InterventionKind::mean: return mean_KD_[std::min(k, mean_KD_.size(0) - 1)].to(own_D.scalar_type());
      case InterventionKind::noise: {
        const at::Tensor noise_D = gaussian_like(own_D, thought_rng(what_.seed, id, k, kDraws));
        return (noise_D * (own_D.to(at::kFloat).norm() / noise_D.norm())).to(own_D.scalar_type());
      }
      case InterventionKind::perturb: {
        const at::Tensor wide_D = own_D.to(at::kFloat);
        const at::Tensor deviation = what_.size * wide_D.square().mean().sqrt();
        return (wide_D + deviation * gaussian_like(own_D, thought_rng(what_.seed, id, k, kDraws)))
            .to(own_D.scalar_type());
      }
      case InterventionKind::swap:
      case InterventionKind::permute:
        // Past the last, where the halting rule stops, the proposal is looked at by nobody.
        return k < count(id) ? thoughts(id)[place(id, k)] : own_D;
      case InterventionKind::truncate:
      case InterventionKind::freeze: break;
    }
    return own_D;
  }

 private:
  size_t checked(int64_t id) const {
    require(id >= 0 && id < std::ssize(source_), "intervene", "expected rows called 0 to ", source_.size() - 1,
            ", as the problems of the clean thoughts are, but got ", id);
    return static_cast<size_t>(id);
  }
  const at::Tensor& thoughts(int64_t id) const { return bank_->thoughts_KD[source_[checked(id)]]; }
  int64_t place(int64_t id, int64_t k) const { return order_.empty() ? k : order_[id][k]; }

  // Drawn until it is another order than the own one, where there is one.
  std::vector<int64_t> order_of(int64_t count, int64_t id) const {
    std::vector<int64_t> own(count);
    std::iota(own.begin(), own.end(), 0);
    Rng rng(what_.seed, static_cast<uint64_t>(id), kDraws);
    std::vector<int64_t> order = own;
    while (count > 1 && order == own) order = rng.permutation(count);
    return order;
  }

  void average(const std::vector<int64_t>& counts) {
    const int64_t longest = *std::ranges::max_element(counts);
    require(longest > 0, "intervene", "expected problems with thoughts to take the mean of");
    std::vector<at::Tensor> means;
    for (int64_t k = 0; k < longest; ++k) {
      at::Tensor sum_D;
      int64_t count = 0;
      for (const at::Tensor& thoughts_KD : bank_->thoughts_KD) {
        if (thoughts_KD.size(0) <= k) continue;
        const at::Tensor x_D = thoughts_KD[k].to(at::kDouble);
        sum_D = sum_D.defined() ? sum_D + x_D : x_D;
        ++count;
      }
      means.push_back(sum_D / static_cast<double>(count));
    }
    mean_KD_ = at::stack(means);
  }

  Intervention what_;
  std::shared_ptr<const ThoughtBank> bank_;
  std::vector<int64_t> source_;              // by problem: whose thoughts it is fed; swap and permute
  std::vector<std::vector<int64_t>> order_;  // by problem, permute
  at::Tensor mean_KD_;
};

Feedback replaced_feedback(const Feedback& base, const Intervention& what,
                           const std::shared_ptr<const Replacement>& replacement) {
  Feedback out;
  out.name = base.name + " +" + to_text(what);
  out.reads_layers = base.reads_layers;
  out.next = [base, what, replacement](const StepState& state) {
    NextInput next = proposed(base, state);
    std::vector<at::Tensor> rows;
    for (int64_t b = 0; b < state.rows(); ++b) {
      RowNotes& notes = state.notes(b);
      const int64_t id = state.id(b), k = notes.thoughts;
      at::Tensor x_D = next.input_BD[b];
      if (what.kind == InterventionKind::freeze) {
        if (k + 1 == what.at) notes.vectors[kOwn] = x_D.clone();
        if (k + 1 > what.at) x_D = notes.vectors.at(kOwn);
      } else {
        x_D = (*replacement)(x_D, id, k);
      }
      if (replacement->feeds_bank() && !next.tokens.empty()) {
        next.tokens[b] = replacement->token(id, k).value_or(next.tokens[b]);
      }
      rows.push_back(x_D);
    }
    next.input_BD = at::stack(rows);
    return next;
  };
  return out;
}

// Stops after as many thoughts as `count` says of a row, beside what the rule itself says unless it is not asked.
Halt bounded_halt(const Halt& base, const std::string& name, bool asks_base,
                  std::function<int64_t(const StepState&, int64_t row)> count) {
  return {base.name + " +" + name, [=](const StepState& state, const NextInput& proposal) {
            std::vector<char> stop = asks_base ? stopped(base, state, proposal) : std::vector<char>(state.rows(), 0);
            for (int64_t b = 0; b < state.rows(); ++b) stop[b] = stop[b] || state.notes(b).thoughts >= count(state, b);
            return stop;
          }};
}

ParallelThinkOptions replaced_inputs(ParallelThinkOptions options, const Intervention& what,
                                     const std::shared_ptr<const Replacement>& replacement) {
  if (what.kind == InterventionKind::truncate) {
    options.positions = std::min(options.positions, what.at);
    return options;
  }
  options.name += " +" + to_text(what);
  options.inputs = [base = options.inputs, last = options.iterations - 1, what,
                    replacement](const ParallelState& state) {
    const at::Tensor own_BKD = base(state);
    if (state.iteration < last) return own_BKD;
    std::vector<at::Tensor> rows;
    for (int64_t b = 0; b < own_BKD.size(0); ++b) {
      const int64_t id = state.ids.empty() ? b : state.ids[b];
      std::vector<at::Tensor> thoughts;
      for (int64_t k = 0; k < own_BKD.size(1); ++k) {
        const bool frozen = what.kind == InterventionKind::freeze && k + 1 > what.at;
        thoughts.push_back((*replacement)(own_BKD[b][frozen ? what.at - 1 : k], id, k));
      }
      rows.push_back(at::stack(thoughts));
    }
    return at::stack(rows);
  };
  return options;
}

}  // namespace

Intervention parse_intervention(const std::string& text, uint64_t seed) {
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon), value = colon == text.npos ? "" : text.substr(colon + 1);
  std::vector<std::string> names;
  std::string listed;
  for (const KindName& kind : kKinds) {
    names.push_back(kind.name);
    const std::string form = std::string(kind.name) + (*kind.value ? ":" : "") + kind.value;
    listed += (listed.empty() ? "" : ", ") + form;
    if (name != kind.name) continue;
    Intervention out{.kind = kind.kind, .seed = seed};
    bool fits = *kind.value ? true : colon == text.npos;
    if (std::string_view(kind.value) == "K") {
      const auto at = number<int64_t>(value);
      fits = at && *at >= (kind.kind == InterventionKind::freeze ? 1 : 0) && *at <= kMostThoughts;
      out.at = at.value_or(0);
    } else if (std::string_view(kind.value) == "SIZE") {
      const auto size = number<double>(value);
      fits = size && *size >= 0 && std::isfinite(*size);
      out.size = size.value_or(0);
    }
    const char* bound = kind.kind == InterventionKind::freeze ? " with K of at least 1" : "";
    require(fits, "intervene", "expected '", form, "'", bound, " but got '", text, "'");
    return out;
  }
  fail("intervene", "expected one of ", listed, " but got '", text, "'", did_you_mean(name, names));
}

std::string to_text(const Intervention& what) {
  const KindName& kind = name_of(what.kind);
  std::string out = kind.name;
  if (std::string_view(kind.value) == "K") out += ":" + std::to_string(what.at);
  if (std::string_view(kind.value) == "SIZE") {
    char text[32];
    out += ":" + std::string(text, std::to_chars(text, text + sizeof text, what.size).ptr);
  }
  return out;
}

bool needs_bank(const Intervention& what) {
  return what.kind == InterventionKind::mean || what.kind == InterventionKind::swap ||
         what.kind == InterventionKind::permute;
}

std::vector<int64_t> swap_partners(const std::vector<int64_t>& thoughts, uint64_t seed) {
  const int64_t count = std::ssize(thoughts);
  require(count >= 2, "intervene", "expected at least 2 problems to swap the thoughts of but got ", count);
  // Each group of equally many thoughts is one ring in a random order, so nobody meets itself. Groups of one share a
  // ring of their own; a single one of these joins the ring beside it in the order of numbers of thoughts.
  std::map<int64_t, std::vector<int64_t>> by_count;
  const std::vector<int64_t> order = Rng(seed, 0, kDraws).permutation(count);
  for (const int64_t i : order) by_count[thoughts[i]].push_back(i);
  std::vector<std::vector<int64_t>> rings;
  std::vector<int64_t> alone;
  size_t beside = 0;  // ring that a single one would join
  for (const auto& [steps, members] : by_count) {
    if (members.size() == 1) {
      alone.push_back(members[0]);
      beside = rings.empty() ? 0 : rings.size() - 1;
    } else {
      rings.push_back(members);
    }
  }
  if (alone.size() >= 2) rings.push_back(alone);
  if (alone.size() == 1) rings[beside].push_back(alone[0]);
  std::vector<int64_t> partner(count);
  for (const auto& ring : rings) {
    for (size_t i = 0; i < ring.size(); ++i) partner[ring[i]] = ring[(i + 1) % ring.size()];
  }
  return partner;
}

Procedure intervene(Procedure procedure, const Intervention& what, std::shared_ptr<const ThoughtBank> bank) {
  require(procedure.max_thoughts() > 0, "intervene", "expected a method that takes thoughts but got '",
          procedure.method, "' with none");
  const auto replacement = std::make_shared<const Replacement>(what, std::move(bank));
  if (procedure.parallel) {
    procedure.parallel = replaced_inputs(*procedure.parallel, what, replacement);
    return procedure;
  }
  ThinkOptions& think = procedure.think;
  if (what.kind == InterventionKind::truncate) {
    think.halt = bounded_halt(think.halt, to_text(what), true, [what](const StepState&, int64_t) { return what.at; });
    return procedure;
  }
  if (replacement->feeds_bank()) {
    const auto count = [replacement](const StepState& state, int64_t row) { return replacement->count(state.id(row)); };
    think.halt = bounded_halt(think.halt, to_text(what), false, count);
  }
  think.feedback = replaced_feedback(think.feedback, what, replacement);
  return procedure;
}

}  // namespace tacit
