#include "latent/thought_head.h"

#include <algorithm>
#include <cmath>

#include "lib/core/error.h"
#include "lib/core/rng.h"

namespace tacit {
namespace {

std::string name_of(int64_t vector, const char* part) { return "head." + std::to_string(vector) + "." + part; }

at::Tensor linear(const MethodWeights& weights, const std::string& name, const at::Tensor& x) {
  return at::linear(x, own_weight(weights, name + "weight"), own_weight(weights, name + "bias"));
}

// Fresh matrices, each from a stream of its own.
class Fresh {
 public:
  explicit Fresh(uint64_t seed) : seed_(seed) {}

  at::Tensor matrix(int64_t out, int64_t in) {
    constexpr uint32_t head_stream = 0x68656164;  // "head", apart from the model's weights of the same seed
    Rng rng(seed_, next_++, head_stream);
    at::Tensor weight = at::empty({out, in});
    float* values = weight.mutable_data_ptr<float>();
    const double deviation = 1 / std::sqrt(static_cast<double>(in));
    for (int64_t i = 0; i < out * in; ++i) values[i] = static_cast<float>(deviation * rng.normal());
    return weight;
  }

 private:
  uint64_t seed_, next_ = 0;
};

// Rows are shown h as it stands at their thought's first position.
at::Tensor noted_states(const StepState& state, const at::Tensor& h_BD, int64_t vectors) {
  std::vector<at::Tensor> noted;
  for (int64_t b = 0; b < state.rows(); ++b) {
    RowNotes& notes = state.notes(b);
    const bool due = notes.thoughts % vectors == 0 || !notes.vectors.contains("thought");
    if (due) notes.vectors["thought"] = h_BD[b].clone();
    noted.push_back(notes.vectors.at("thought"));
  }
  return at::stack(noted);
}

}  // namespace

bool ThoughtHead::is_hidden_state() const {
  return projector == Projector::none && width == 0 && vectors == 1 && layer < 0 && hidden_at == HiddenAt::after_norm;
}

bool needs_layers(const ThoughtHead& head) { return head.layer >= 0 || head.hidden_at == HiddenAt::before_norm; }

Json head_options(const std::string& projector) {
  return {{"projector", projector}, {"width", 0}, {"hidden_at", "after_norm"}, {"layer", -1}, {"vectors", 1}};
}

ThoughtHead read_head(const Json& options, const std::string& source) {
  const JsonReader in(options, "read_config", source);
  ThoughtHead out;
  const std::string projector = in.string("projector", "none"), at = in.string("hidden_at", "after_norm");
  if (projector != "none" && projector != "linear" && projector != "mlp")
    in.reject("projector", "to be none, linear or mlp");
  if (at != "after_norm" && at != "before_norm") in.reject("hidden_at", "to be after_norm or before_norm");
  out.projector = projector == "mlp" ? Projector::mlp : (projector == "linear" ? Projector::linear : Projector::none);
  out.hidden_at = at == "before_norm" ? HiddenAt::before_norm : HiddenAt::after_norm;
  constexpr int64_t kMost = 1 << 16;
  const auto whole = [&](const char* name, int64_t otherwise, int64_t least, int64_t most) {
    return in.has(name) ? in.integer_in(name, least, most) : otherwise;
  };
  out.layer = whole("layer", -1, -1, kMost);
  out.width = whole("width", 0, 0, kMost);
  out.vectors = whole("vectors", 1, 1, 1024);
  if (out.vectors > 1 && out.projector == Projector::none)
    in.reject("vectors", "to be 1 without a projector, which would feed one vector several times,");
  return out;
}

MethodWeights head_weights(const ThoughtHead& head, int64_t hidden_size, uint64_t seed) {
  const int64_t D = hidden_size;
  require(head.width <= D, "head", "expected a width of at most ", D, " (the model's) but got ", head.width);
  Fresh fresh(seed);
  MethodWeights out;
  if (head.width > 0) {
    out["head.narrow.weight"] = fresh.matrix(head.width, D);
    out["head.widen.weight"] = fresh.matrix(D, head.width);
  }
  for (int64_t j = 0; j < head.vectors; ++j) {
    if (head.projector == Projector::linear) {
      out[name_of(j, "weight")] = j == 0 ? at::eye(D) : fresh.matrix(D, D);
      out[name_of(j, "bias")] = at::zeros({D});
    } else if (head.projector == Projector::mlp) {
      for (const char* part : {"in.", "out."}) {
        out[name_of(j, part) + "weight"] = fresh.matrix(D, D);
        out[name_of(j, part) + "bias"] = at::zeros({D});
      }
      out[name_of(j, "norm.weight")] = at::ones({D});
      out[name_of(j, "norm.bias")] = at::zeros({D});
    }
  }
  return out;
}

at::Tensor apply_head(const ThoughtHead& head, const MethodWeights& weights, const at::Tensor& h, int64_t vector) {
  at::Tensor z = h.to(at::kFloat);
  if (head.width > 0) {
    z = at::linear(at::linear(z, own_weight(weights, "head.narrow.weight")), own_weight(weights, "head.widen.weight"));
  }
  if (head.projector == Projector::linear) z = linear(weights, name_of(vector, ""), z);
  if (head.projector == Projector::mlp) {
    z = linear(weights, name_of(vector, "out."), at::gelu(linear(weights, name_of(vector, "in."), z)));
    z = at::layer_norm(z, {z.size(-1)}, own_weight(weights, name_of(vector, "norm.weight")),
                       own_weight(weights, name_of(vector, "norm.bias")));
  }
  return z.to(h.scalar_type());
}

at::Tensor next_thought(const Unroll& unroll, const ThoughtHead& head, const MethodWeights& weights) {
  at::Tensor h_BD = unroll.last_BD();
  if (needs_layers(head)) {
    const auto count = std::ssize(unroll.layers());
    require(head.layer < count, "head", "expected a layer below ", count, " but got ", head.layer);
    const at::Tensor& layer_BTD = head.layer < 0 ? unroll.layers().back() : unroll.layers()[head.layer];
    h_BD = layer_BTD.select(1, layer_BTD.size(1) - 1);
    if (head.hidden_at == HiddenAt::after_norm) h_BD = unroll.model().final_norm(h_BD);
  }
  std::vector<at::Tensor> inputs;
  for (int64_t j = 0; j < head.vectors; ++j) inputs.push_back(apply_head(head, weights, h_BD, j));
  return at::stack(inputs, 1);
}

at::Tensor think_on(Unroll& unroll, int64_t count, const ThoughtHead& head, const MethodWeights& weights) {
  std::vector<at::Tensor> fed;
  for (int64_t k = 0; k < count; ++k) {
    fed.push_back(next_thought(unroll, head, weights));
    unroll.feed(fed.back());
  }
  const at::Tensor& last_BD = unroll.last_BD();
  return fed.empty() ? at::zeros({last_BD.size(0), 0, last_BD.size(1)}, last_BD.options()) : at::cat(fed, 1);
}

const at::Tensor& own_weight(const MethodWeights& weights, const std::string& name) {
  const auto found = weights.find(name);
  require(found != weights.end(), "method", "expected a checkpoint that was trained with '", name,
          "', a weight of the method's own, but it has none");
  return found->second;
}

namespace feedback {

Feedback projected(const ThoughtHead& head, const MethodWeights& weights) {
  if (head.width > 0) own_weight(weights, "head.narrow.weight");  // refused before the first thought
  if (head.projector == Projector::linear) own_weight(weights, name_of(0, "weight"));
  if (head.projector == Projector::mlp) own_weight(weights, name_of(0, "in.weight"));
  Feedback out{"projected", [head, weights](const StepState& state) {
                 at::Tensor h_BD = head.reads_layers() ? state.layer_BD(head.layer) : state.hidden_BD(head.hidden_at);
                 if (head.reads_layers() && head.hidden_at == HiddenAt::after_norm)
                   h_BD = state.model().final_norm(h_BD);
                 if (head.vectors == 1) return NextInput{apply_head(head, weights, h_BD), {}};
                 h_BD = noted_states(state, h_BD, head.vectors);
                 std::vector<at::Tensor> rows;
                 for (int64_t b = 0; b < state.rows(); ++b) {
                   const int64_t vector = state.notes(b).thoughts % head.vectors;
                   rows.push_back(apply_head(head, weights, h_BD[b], vector));
                 }
                 return NextInput{at::stack(rows), {}};
               }};
  out.reads_layers = head.reads_layers();
  return out;
}

}  // namespace feedback

namespace parallel {

ParallelInputs projected_jacobi(at::Tensor start_D, const ThoughtHead& head, const MethodWeights& weights) {
  require(head.vectors == 1 && !needs_layers(head), "head",
          "expected one vector a thought, of the last hidden state after the norm, for thoughts in parallel");
  return [head, weights, plain = jacobi(std::move(start_D))](const ParallelState& state) {
    ParallelState projected = state;
    projected.before_BD = apply_head(head, weights, state.before_BD);
    if (state.hidden_BKD.defined()) projected.hidden_BKD = apply_head(head, weights, state.hidden_BKD);
    return plain(projected);
  };
}

}  // namespace parallel

}  // namespace tacit
