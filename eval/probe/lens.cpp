#include "eval/probe/lens.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>

#include "decoding/readout.h"
#include "lib/core/error.h"

namespace tacit::probe {
namespace {

// Coefficients, which sum to 1, of the point of least norm in the affine hull of the rows of p_SD.
at::Tensor affine_minimum(const at::Tensor& p_SD) {
  const at::Tensor gram_SS = p_SD.matmul(p_SD.t());
  // (s 1 1^T + P P^T) u = 1 and u / sum(u) for any s > 0; s of the Gram matrix's own size keeps it well conditioned.
  const double scale = std::max(gram_SS.diagonal().mean().item<double>(), 1e-300);
  const at::Tensor u_S1 =
      std::get<0>(at::linalg_lstsq(gram_SS + scale, at::ones({p_SD.size(0), 1}, at::kDouble), {}, "gelsd"));
  return (u_S1 / u_S1.sum()).squeeze(1);
}

// The vertices that the current point mixes, and their weights.
struct Corral {
  std::vector<int64_t> vertex;
  at::Tensor weight_S;

  at::Tensor rows(const at::Tensor& p_ND) const { return p_ND.index_select(0, at::tensor(vertex, at::kLong)); }
  void keep_positive() {
    std::vector<int64_t> kept, index;
    for (int64_t i = 0; i < std::ssize(vertex); ++i) {
      if (weight_S[i].item<double>() > 1e-12) kept.push_back(vertex[i]), index.push_back(i);
    }
    weight_S = weight_S.index_select(0, at::tensor(index, at::kLong));
    weight_S = weight_S / weight_S.sum();
    vertex = std::move(kept);
  }
};

// Minor cycle: moves to the affine minimum, dropping vertices whose weight would become negative on the way.
void settle(Corral& corral, const at::Tensor& p_ND) {
  while (true) {
    const at::Tensor wanted_S = affine_minimum(corral.rows(p_ND));
    double step = 1;
    for (int64_t i = 0; i < std::ssize(corral.vertex); ++i) {
      const double have = corral.weight_S[i].item<double>(), want = wanted_S[i].item<double>();
      if (want < 1e-12) step = std::min(step, have / std::max(have - want, 1e-300));
    }
    corral.weight_S = corral.weight_S + step * (wanted_S - corral.weight_S);
    const auto before = std::ssize(corral.vertex);
    corral.keep_positive();
    if (step >= 1 || std::ssize(corral.vertex) == before) return;
  }
}

}  // namespace

double readout_entropy(const at::Tensor& logits_V) {
  const at::Tensor log_share_V = logits_V.to(at::kCPU, at::kDouble).log_softmax(0);
  return -(log_share_V.exp() * log_share_V).nan_to_num(0).sum().item<double>();  // 0 log 0 = 0
}

std::vector<NearToken> nearest_tokens(const at::Tensor& vector_D, const at::Tensor& embeddings_VD, int64_t top) {
  require(vector_D.dim() == 1 && embeddings_VD.dim() == 2 && embeddings_VD.size(1) == vector_D.size(0), "probe_lens",
          "expected a vector [D] and embeddings [V, D] but got ", shape_text(vector_D.sizes()), " and ",
          shape_text(embeddings_VD.sizes()));
  const at::Tensor x_D = vector_D.to(at::kCPU, at::kDouble), e_VD = embeddings_VD.to(at::kCPU, at::kDouble);
  const at::Tensor length_V = (e_VD.norm(2, 1) * x_D.norm()).clamp_min(1e-300);
  const at::Tensor cosine_V = (e_VD.matmul(x_D) / length_V).contiguous();
  const at::Tensor order_V = cosine_V.argsort(/*stable=*/true, /*dim=*/0, /*descending=*/true).contiguous();
  std::vector<NearToken> out;
  for (int64_t i = 0; i < std::min(top, order_V.size(0)); ++i) {
    const int64_t token = order_V.const_data_ptr<int64_t>()[i];
    out.push_back({token, cosine_V.const_data_ptr<double>()[token]});
  }
  return out;
}

HullDistance distance_to_hull(const at::Tensor& point_D, const at::Tensor& vertices_ND, double tolerance) {
  require(point_D.dim() == 1 && vertices_ND.dim() == 2 && vertices_ND.size(0) >= 1 &&
              vertices_ND.size(1) == point_D.size(0),
          "distance_to_hull", "expected a point [D] and vertices [N, D], N at least 1, but got ",
          shape_text(point_D.sizes()), " and ", shape_text(vertices_ND.sizes()));
  const at::NoGradGuard no_grad;
  const at::Tensor p_ND = vertices_ND.to(at::kCPU, at::kDouble) - point_D.to(at::kCPU, at::kDouble);
  const at::Tensor square_N = p_ND.square().sum(1);
  require(square_N.isfinite().all().item<bool>(), "distance_to_hull", "expected finite numbers");
  const double longest = std::sqrt(square_N.max().item<double>());
  Corral corral{{square_N.argmin().item<int64_t>()}, at::ones({1}, at::kDouble)};
  HullDistance out;
  for (int64_t major = 0; major < 4 * p_ND.size(1) + 100; ++major) {
    const at::Tensor y_D = corral.weight_S.matmul(corral.rows(p_ND));
    out.distance = y_D.norm().item<double>();
    out.vertices = std::ssize(corral.vertex);
    const at::Tensor along_N = p_ND.matmul(y_D);
    const int64_t next = along_N.argmin().item<int64_t>();
    // Every point of the hull lies beyond the plane y . p = min_i y . p_i.
    const double plane = out.distance > 0 ? along_N[next].item<double>() / out.distance : 0;
    out.at_least = std::max(out.at_least, std::max(plane, 0.0));
    const bool known = std::ranges::find(corral.vertex, next) != corral.vertex.end();
    if (out.distance - plane <= tolerance * longest || known) break;
    corral.vertex.push_back(next);
    corral.weight_S = at::cat({corral.weight_S, at::zeros({1}, at::kDouble)});
    settle(corral, p_ND);
  }
  return out;
}

namespace {

// Of thought k of all problems.
struct LensStep {
  std::vector<double> top_probability, entropy, cosine, hull;  // hull: distance / length of the thought
};

LensStep look(const Thinker& thinker, const at::Tensor& thoughts_ND, const at::Tensor& embeddings_VD,
              int64_t hull_problems) {
  LensStep out;
  const at::Tensor logits_NV =
      thinker.model->logits(thoughts_ND.to(thinker.model->device(), thinker.model->dtype())).to(at::kCPU, at::kDouble);
  for (int64_t n = 0; n < thoughts_ND.size(0); ++n) {
    out.top_probability.push_back(logits_NV[n].softmax(0).max().item<double>());
    out.entropy.push_back(readout_entropy(logits_NV[n]));
    out.cosine.push_back(nearest_tokens(thoughts_ND[n], embeddings_VD, 1).at(0).cosine);
    if (n >= hull_problems) continue;
    const double length = std::max(thoughts_ND[n].norm().item<double>(), 1e-300);
    out.hull.push_back(distance_to_hull(thoughts_ND[n], embeddings_VD).distance / length);
  }
  return out;
}

OrderedJson readout_json(const Thinker& thinker, const Tokenizer& tokenizer, const at::Tensor& thoughts_KD,
                         const at::Tensor& embeddings_VD, int64_t top) {
  OrderedJson out = OrderedJson::array();
  const auto shares = readouts(*thinker.model, thoughts_KD, top);
  for (int64_t k = 0; k < thoughts_KD.size(0); ++k) {
    OrderedJson lens = OrderedJson::array(), near = OrderedJson::array();
    for (const TokenShare& share : shares[k])
      lens.push_back({valid_utf8(tokenizer.token(share.token)), share.probability});
    for (const NearToken& token : nearest_tokens(thoughts_KD[k], embeddings_VD, top))
      near.push_back({valid_utf8(tokenizer.token(token.token)), token.cosine});
    out.push_back({{"thought", k + 1}, {"readout", lens}, {"nearest", near}});
  }
  return out;
}

// The embeddings as the model reads them, scale and embedding norm included.
at::Tensor embeddings_of(const Transformer& model) {
  const at::NoGradGuard no_grad;
  const at::Tensor ids_V = at::arange(model.config().vocab_size, at::kLong).to(model.device());
  return model.embed(ids_V).to(at::kCPU, at::kDouble);
}

}  // namespace

ProbeReport probe_lens(const LoadedModel& model, const RunOptions& run, const LensOptions& options) {
  const at::NoGradGuard no_grad;
  const ProbeSet set = probe_set(model, run);
  ProbeReport out{.name = "lens"};
  out.json = {{"probe", "lens"}, {"problems", set.size()}, {"hull_problems", options.hull_problems}};
  Chart hull{"hull", "Distance of a thought to the hull of the embeddings", "thought", "distance / length"};
  Chart top{"top", "Largest share in a thought's readout", "thought", "probability"};
  Chart near{"cosine", "Cosine of a thought with its nearest token", "thought", "cosine"};
  top.most = 1;
  top.chance = 1.0 / static_cast<double>(model.model->config().vocab_size);
  top.chance_name = "uniform";
  OrderedJson all = OrderedJson::array();
  for (const Thinker& thinker : thinkers(model, run, {Control::noise, Control::pause, Control::random_weights})) {
    const Seen seen = think_all(thinker, set);
    const at::Tensor embeddings_VD = embeddings_of(*thinker.model);
    OrderedJson steps = OrderedJson::array();
    for (Chart* chart : {&hull, &top, &near}) chart->series.push_back({thinker.name, {}});
    for (int64_t k = 0; k < most_thoughts(seen); ++k) {
      std::vector<int64_t> which;
      const LensStep step = look(thinker, thoughts_at(seen, k, which), embeddings_VD, options.hull_problems);
      const std::string x = std::to_string(k + 1);
      const Estimate e_hull = estimate(step.hull), e_top = estimate(step.top_probability),
                     e_near = estimate(step.cosine), e_entropy = estimate(step.entropy);
      if (options.hull_problems > 0) hull.series.back().points.push_back({x, e_hull});
      top.series.back().points.push_back({x, e_top});
      near.series.back().points.push_back({x, e_near});
      OrderedJson one = {{"thought", k + 1}};
      if (options.hull_problems > 0) one["hull_distance_over_length"] = to_json(e_hull);
      one.update({{"top_probability", to_json(e_top)},
                  {"entropy_nats", to_json(e_entropy)},
                  {"nearest_cosine", to_json(e_near)}});
      steps.push_back(one);
    }
    OrderedJson shown = OrderedJson::array();
    for (int64_t i = 0; i < std::min(options.shown, set.size()); ++i) {
      if (seen.thoughts_KD[i].size(0) == 0) continue;
      shown.push_back(
          {{"id", set.examples[i].id},
           {"thoughts", readout_json(thinker, *set.tokenizer, seen.thoughts_KD[i], embeddings_VD, options.top)}});
    }
    all.push_back({{"name", thinker.name},
                   {"what", thinker.what},
                   {"accuracy", to_json(estimate_share(seen.correct))},
                   {"steps", steps},
                   {"examples", shown}});
  }
  require(!top.series[0].points.empty(), "probe_lens", "expected a method that takes thoughts but got '",
          procedure_of(model, run).method, "' with none");
  out.json["thinkers"] = all;
  out.charts = {top, near};
  if (options.hull_problems > 0) {
    out.charts.insert(out.charts.begin(), hull);
    out.notes.emplace_back(
        "hull: 0 for any mixture of token embeddings as the model reads them; a thought far outside it is no "
        "mixture of words");
  }
  if (model.model->config().tied_embeddings) {
    out.notes.push_back("embeddings are tied: the readout is the product with the same vectors whose hull is measured");
  }
  return out;
}

}  // namespace tacit::probe
