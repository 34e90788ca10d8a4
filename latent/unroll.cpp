#include "latent/unroll.h"

#include <algorithm>

#include "latent/token_ids.h"
#include "lib/core/error.h"
#include "lib/model/memory_layout.h"

namespace tacit {
namespace {

int64_t widest(const TokenRows& rows) {
  int64_t width = 0;
  for (const auto& row : rows) width = std::max<int64_t>(width, std::ssize(row));
  return width;
}

std::vector<int64_t> padding(const ModelConfig& config, const TokenRows& prompts) {
  require(!prompts.empty(), "unroll", "expected at least one row");
  std::vector<int64_t> begins;
  for (const auto& prompt : prompts) {
    require(!prompt.empty(), "unroll", "expected a prompt of at least one token");
    require_token_ids(config, prompt, std::ssize(begins), "unroll");
    begins.push_back(widest(prompts) - std::ssize(prompt));
  }
  return begins;
}

}  // namespace

Unroll::Unroll(const Transformer& model, const TokenRows& prompts, bool keep_layers, const DepthRun& depth)
    : model_(&model),
      keep_layers_(keep_layers),
      depth_(depth),
      memory_(memory_layout(model.config(), depth.recurrences, depth.exit), padding(model.config(), prompts),
              model.device()) {
  require_recurrences(model.config(), depth.recurrences, "unroll");
  const int64_t width = widest(prompts);
  std::vector<int64_t> ids(prompts.size() * width, 0);
  for (size_t b = 0; b < prompts.size(); ++b)
    std::ranges::copy(prompts[b], ids.begin() + (b + 1) * width - prompts[b].size());
  run(model.embed(at::tensor(ids, at::kLong).view({std::ssize(prompts), width}).to(model.device())));
  for (at::Tensor& layer_BTD : layers_) layer_BTD = layer_BTD.narrow(1, width - 1, 1);
}

at::Tensor Unroll::run(const at::Tensor& x_BTD) {
  require(!ended_, "unroll", "expected nothing after feed_rest(), which pads rows on the right, but got ",
          x_BTD.size(1), " more positions");
  const int64_t columns = columns_ + x_BTD.size(1), most = model_->config().max_positions;
  require(columns <= most, "unroll", "expected at most ", most, " positions (the model's) but got ", columns);
  columns_ = columns;
  DepthTrace trace{.keep_layers = keep_layers_};
  const at::Tensor hidden_BTD =
      model_->forward(x_BTD, memory_.open(x_BTD.size(1)), memory_, depth_, keep_layers_ ? &trace : nullptr);
  memory_.close();
  layers_ = std::move(trace.layer_BTD);
  const at::Tensor normed_BTD = model_->final_norm(hidden_BTD);
  last_BD_ = normed_BTD.select(1, x_BTD.size(1) - 1);
  return normed_BTD;
}

at::Tensor Unroll::feed(const at::Tensor& x_BTD) {
  require(x_BTD.dim() == 3 && x_BTD.size(1) > 0, "unroll", "expected vectors [B, T, D] but got ",
          shape_text(x_BTD.sizes()));
  return run(require_inputs(x_BTD, *model_, last_BD_.size(0), x_BTD.size(1), "unroll"));
}

at::Tensor Unroll::feed_rest(const std::vector<TrainingRow>& rows) {
  const at::Tensor first_B1D = last_BD_.unsqueeze(1);
  require(std::ssize(rows) == last_BD_.size(0), "unroll", "expected a rest for each of ", last_BD_.size(0),
          " rows but got ", rows.size());
  int64_t width = 0;
  for (const TrainingRow& row : rows) width = std::max<int64_t>(width, std::ssize(row.rest));
  if (width <= 1) return first_B1D;
  std::vector<int64_t> ids(rows.size() * (width - 1), 0);
  for (size_t b = 0; b < rows.size(); ++b) {
    const auto& rest = rows[b].rest;
    require_token_ids(model_->config(), rest, static_cast<int64_t>(b), "unroll");
    std::copy_n(rest.begin(), std::max<int64_t>(std::ssize(rest) - 1, 0), ids.begin() + b * (width - 1));
  }
  const at::Tensor ids_BT = at::tensor(ids, at::kLong).view({std::ssize(rows), width - 1}).to(model_->device());
  const at::Tensor rest_BTD = run(model_->embed(ids_BT));
  ended_ = true;
  return at::cat({first_B1D, rest_BTD}, 1);
}

at::Tensor Unroll::feed_in_parallel(const ParallelThinkOptions& options) {
  require(options.positions >= 1 && options.iterations >= 1, "unroll",
          "expected at least one position and iteration but got ", options.positions, " and ", options.iterations);
  require(options.inputs != nullptr, "unroll", "expected a function that makes inputs");
  ParallelState state{.model = *model_, .positions = options.positions, .before_BD = last_BD_};
  const Unroll start = *this;
  for (; state.iteration < options.iterations; ++state.iteration) {
    if (state.iteration > 0) *this = start;
    const at::Tensor input_BKD =
        require_inputs(options.inputs(state), *model_, last_BD_.size(0), options.positions, "unroll");
    state.hidden_BKD = run(input_BKD);
    state.input_BKD = input_BKD;
  }
  return state.hidden_BKD;
}

TokenRows prompts_of(const std::vector<TrainingRow>& rows) {
  TokenRows out;
  for (const TrainingRow& row : rows) out.push_back(row.prompt);
  return out;
}

TokenLoss token_loss(const Transformer& model, const at::Tensor& before_BTD, const std::vector<TrainingRow>& rows) {
  require(before_BTD.dim() == 3 && before_BTD.size(0) == std::ssize(rows), "token_loss", "expected hidden states [",
          rows.size(), ", width, D] but got ", shape_text(before_BTD.sizes()));
  const int64_t width = before_BTD.size(1);
  std::vector<int64_t> at_N, label_N;
  for (size_t b = 0; b < rows.size(); ++b) {
    const TrainingRow& row = rows[b];
    require(row.rest_trained.size() == row.rest.size() && std::ssize(row.rest) <= width, "token_loss",
            "expected rest_trained for each of ", row.rest.size(), " tokens, at most ", width, ", but got ",
            row.rest_trained.size());
    require_token_ids(model.config(), row.rest, static_cast<int64_t>(b), "token_loss");
    for (size_t t = 0; t < row.rest.size(); ++t) {
      if (!row.rest_trained[t]) continue;
      at_N.push_back(static_cast<int64_t>(b) * width + static_cast<int64_t>(t));
      label_N.push_back(row.rest[t]);
    }
  }
  if (at_N.empty()) return {};
  const at::Tensor index_N = at::tensor(at_N, at::kLong).to(before_BTD.device());
  const at::Tensor target_N = at::tensor(label_N, at::kLong).to(before_BTD.device());
  const at::Tensor logits_NV = model.logits(before_BTD.flatten(0, 1).index_select(0, index_N)).to(at::kFloat);
  return {at::cross_entropy_loss(logits_NV, target_N),
          (logits_NV.argmax(-1) == target_N).to(at::kFloat).mean().item<double>(), std::ssize(at_N)};
}

TokenLoss text_loss(const Transformer& model, const std::vector<TrainingRow>& rows) {
  Unroll text(model, prompts_of(rows));
  return token_loss(model, text.feed_rest(rows), rows);
}

LatentLoss latent_loss_of(const TokenLoss& tokens, const std::vector<TrainingRow>& rows) {
  require(tokens.loss.defined(), "latent_loss", "expected at least one trained token");
  LatentLoss out;
  out.total = tokens.loss;
  out.tokens = tokens.loss.item<double>();
  out.accuracy = tokens.accuracy;
  for (const TrainingRow& row : rows) out.positions += std::ssize(row.prompt) + std::ssize(row.rest) + row.latents;
  return out;
}

}  // namespace tacit
