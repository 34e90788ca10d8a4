#include "latent/passes.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>

#include "lib/memory/static_training_memory.h"
#include "lib/memory/training_memory.h"
#include "lib/model/deferred_gradient.h"
#include "lib/model/memory_layout.h"
#include "lib/model/recompute.h"

namespace tacit {
namespace {

at::Tensor join(const at::Tensor& thoughts_BKD, const at::Tensor& rest_BTD) {
  return thoughts_BKD.defined() ? at::cat({thoughts_BKD, rest_BTD}, 1) : rest_BTD;
}

// Ids of the rest that are fed.
at::Tensor fed_rest(const Batch& batch) {
  return batch.rest_BT.narrow(1, 0, std::max<int64_t>(batch.shape.rest_width - 1, 0));
}

at::Tensor last_column(const at::Tensor& x_BTD) { return x_BTD.narrow(1, x_BTD.size(1) - 1, 1); }

class PlainPasses : public Passes {
 public:
  PlainPasses(const Transformer& model, const Batch& batch)
      : model_(model), batch_(batch), memory_(memory_layout(model.config()), batch.begins, model.device()) {}

  const Transformer& model() const override { return model_; }
  at::Tensor prompts() override { return model_.final_norm(last_column(run(memory_, model_.embed(batch_.prompt_BT)))); }
  at::Tensor thought(const at::Tensor& x_B1D) override { return model_.final_norm(run(memory_, x_B1D)); }
  at::Tensor think(const at::Tensor& first_B1D, int64_t steps) override {
    const at::NoGradGuard no_grad;
    TrainingMemory memory = memory_;
    std::vector<at::Tensor> thoughts = {first_B1D.detach()};
    while (static_cast<int64_t>(thoughts.size()) < steps)
      thoughts.push_back(model_.final_norm(run(memory, thoughts.back())));
    return at::cat(thoughts, 1);
  }
  at::Tensor rest(const at::Tensor& thoughts_BKD) override {
    return model_.final_norm(run(memory_, join(thoughts_BKD, model_.embed(fed_rest(batch_)))));
  }

 private:
  at::Tensor run(TrainingMemory& memory, const at::Tensor& x_BTD) const {
    const at::Tensor hidden_BTD = model_.forward(x_BTD, memory.open(x_BTD.size(1)), memory);
    memory.close();
    return hidden_BTD;
  }

  const Transformer& model_;
  const Batch& batch_;
  TrainingMemory memory_;
};

// The same model whose matrices collect their gradients.
std::shared_ptr<const Transformer> with_deferred_gradients(const Transformer& model) {
  std::map<std::string, at::Tensor> weights = model.weights();
  if (at::GradMode::is_enabled()) {
    for (auto& [name, weight] : weights) {
      if (weight.dim() == 2) weight = defer_gradient(weight);
    }
  }
  return std::make_shared<const Transformer>(model, std::move(weights));
}

bool keeps_states(const MemoryLayout& layout) {
  return std::ranges::any_of(layout, [](const MemoryLayer& layer) { return !layer.states.empty(); });
}

class FastPasses : public Passes {
 public:
  FastPasses(const Transformer& model, const Batch& batch, bool recompute)
      : model_(with_deferred_gradients(model)), batch_(batch), recompute_(recompute) {
    const MemoryLayout layout = memory_layout(model.config());
    const bool known = !batch.begins.empty();
    widened_ = !known;
    keeps_states_ = keeps_states(layout);
    packed_ = known && !keeps_states_ && model.device().is_cpu();  // on CUDA rows one by one wait for launches
    const BatchShape& shape = batch.shape;
    const int64_t columns = shape.prompt_width + shape.latents + std::max<int64_t>(shape.rest_width - 1, 0);
    const auto options = at::TensorOptions().dtype(model.dtype()).device(model.device());
    memory_ = std::make_shared<StaticTrainingMemory>(layout, Padding{batch.begins, batch.begin_B}, columns, options);
  }

  // What is carried leads to nodes that hold the memory: a circle, where no backward pass opens it.
  ~FastPasses() override {
    std::vector<at::Tensor> carried = memory_->carried();
    for (at::Tensor& c : carried) {
      if (c.defined()) c = c.detach();
    }
    memory_->set_carried(carried);
  }

  const Transformer& model() const override { return *model_; }

  at::Tensor prompts() override {
    if (!packed_) {
      const at::Tensor position_BT = open(*memory_, batch_.prompt_BT.size(1)), x_BTD = model_->embed(batch_.prompt_BT);
      if (keeps_states_) return model_->final_norm(last_column(run(x_BTD, position_BT)));
      return model_->final_norm(run(x_BTD, position_BT, memory_->last_N()));
    }
    const at::Tensor position_1N = memory_->open_packed(batch_.prompt_size);
    const at::Tensor real_BT = position_of_prompt() >= 0;
    const at::Tensor id_1N = batch_.prompt_BT.masked_select(real_BT).unsqueeze(0);
    const at::Tensor hidden_1BD = run(model_->embed(id_1N), position_1N, memory_->last_N());
    return model_->final_norm(hidden_1BD.transpose(0, 1));
  }

  at::Tensor thought(const at::Tensor& x_B1D) override { return model_->final_norm(step(*memory_, x_B1D)); }

  at::Tensor think(const at::Tensor& first_B1D, int64_t steps) override {
    const at::NoGradGuard no_grad;
    const auto memory = memory_->without_gradient();
    std::vector<at::Tensor> thoughts = {first_B1D.detach()};
    while (static_cast<int64_t>(thoughts.size()) < steps)
      thoughts.push_back(model_->final_norm(step(*memory, thoughts.back())));
    return at::cat(thoughts, 1);
  }

  at::Tensor rest(const at::Tensor& thoughts_BKD) override {
    const at::Tensor x_BTD = join(thoughts_BKD, model_->embed(fed_rest(batch_)));
    const int64_t rows = x_BTD.size(0), width = x_BTD.size(1), given = width - fed_rest(batch_).size(1);
    if (!packed_) return model_->final_norm(run(x_BTD, open(*memory_, width)));
    std::vector<int64_t> counts, at;
    for (int64_t b = 0; b < rows; ++b) {
      counts.push_back(given + std::max<int64_t>(batch_.rest_size[b] - 1, 0));
      for (int64_t t = 0; t < counts[b]; ++t) at.push_back(b * width + t);
    }
    const at::Tensor at_N = at::tensor(at, at::kLong).to(x_BTD.device());
    const at::Tensor position_1N = memory_->open_packed(counts);
    const at::Tensor hidden_1ND = run(x_BTD.flatten(0, 1).index_select(0, at_N).unsqueeze(0), position_1N);
    const at::Tensor normed_ND = model_->final_norm(hidden_1ND.squeeze(0));
    const at::Tensor nothing_ND = at::zeros({rows * width, normed_ND.size(1)}, normed_ND.options());
    return nothing_ND.index_copy(0, at_N, normed_ND).view({rows, width, -1});
  }

 private:
  // Opens a padded segment -> positions. Of columns that only make a batch wider some lie behind the model's last one.
  at::Tensor open(StaticTrainingMemory& memory, int64_t width) const {
    const at::Tensor position_BT = memory.open(width);
    return widened_ ? position_BT.clamp_max(model_->config().max_positions - 1) : position_BT;
  }

  at::Tensor position_of_prompt() const {
    const at::Tensor column_T = at::arange(batch_.prompt_BT.size(1), batch_.prompt_BT.options());
    return column_T - batch_.begin_B.unsqueeze(1);
  }

  // The segment that the memory has open.
  at::Tensor run(const at::Tensor& x, const at::Tensor& position, const at::Tensor& wanted_N = {}) {
    const at::Tensor hidden = recompute_ ? forward_recomputed(model_, memory_, x, position, chain_, wanted_N)
                                         : model_->forward(x, position, *memory_, {}, nullptr, wanted_N);
    memory_->close();
    return hidden;
  }

  // One position of every row.
  at::Tensor step(StaticTrainingMemory& memory, const at::Tensor& x_B1D) {
    const int64_t rows = x_B1D.size(0);
    const at::Tensor position = packed_ ? memory.open_packed(std::vector<int64_t>(rows, 1)) : open(memory, 1);
    const at::Tensor x = packed_ ? x_B1D.transpose(0, 1) : x_B1D;
    at::Tensor hidden;
    if (&memory == memory_.get()) {
      hidden = run(x, position);
    } else {
      hidden = model_->forward(x, position, memory);
      memory.close();
    }
    return packed_ ? hidden.transpose(0, 1) : hidden;
  }

  std::shared_ptr<const Transformer> model_;
  const Batch& batch_;
  bool recompute_, keeps_states_ = false, packed_ = true, widened_ = false;
  std::shared_ptr<StaticTrainingMemory> memory_;
  at::Tensor chain_;  // of recomputed passes
};

}  // namespace

std::unique_ptr<Passes> plain_passes(const Transformer& model, const Batch& batch) {
  return std::make_unique<PlainPasses>(model, batch);
}

std::unique_ptr<Passes> fast_passes(const Transformer& model, const Batch& batch, bool recompute) {
  return std::make_unique<FastPasses>(model, batch, recompute);
}

}  // namespace tacit
